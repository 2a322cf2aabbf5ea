"""scikit-learn models to float32 .tflite: fitted attributes in TensorFlow's operations.

The file is a pickle, so it is loaded only when it is trusted (sources.py), and only here. Features
are the one input; the outputs are 'probabilities' or 'scores' in the order of classes_, or
'prediction'.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twite.tensors import Array, Tensors, TensorSpec
from twite_build.converters import tf_function
from twite_build.converters.request import (
    Converted,
    Request,
    answer_all,
    check_samples,
    lacks,
    read,
    write,
)
from twite_build.errors import DataError, SourceError
from twite_build.scratch import first_line


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and the source's answers; converters/request.py says what is answered."""
    os.environ.update(tf_function.quiet())
    try:
        import joblib  # noqa: F401
        import sklearn
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise lacks("a scikit-learn model", "sklearn", error) from error
    from twite_build.estimators import translate

    asked = read(request)
    model, notes = _load(asked.path, sklearn.__version__)
    translation = translate(model)
    inputs = [_input(asked, model)]
    check_samples(asked.samples, inputs)
    answers = answer_all(_runner(translation.reference), asked.samples)
    serve = _serve(translation.graph)
    content = tf_function.to_tflite(serve, (), inputs)
    tools = ("scikit-learn", tf_function.distribution())
    return write(asked, Converted(content, inputs, answers, tools, notes))


def _load(path: Path, version: str) -> tuple[Any, tuple[str, ...]]:
    """The unpickled estimator; a note where another scikit-learn wrote it."""
    import joblib
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import InconsistentVersionWarning

    notes: tuple[str, ...] = ()
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            model = joblib.load(path)
    except Exception as error:
        raise SourceError(
            f"{path} cannot be unpickled with scikit-learn {version}: {first_line(error)}"
        ) from error
    for warning in found:
        if isinstance(warning.message, InconsistentVersionWarning):
            was = warning.message.original_sklearn_version
            notes = (f"pickled by scikit-learn {was}, read by {version}",)
    if not isinstance(model, BaseEstimator):
        raise SourceError(
            f"{path} holds {type(model).__name__}; it must hold a fitted scikit-learn estimator"
        )
    return model, notes


def _input(asked: Request, model: Any) -> TensorSpec:
    count = getattr(model, "n_features_in_", None)
    if count is None:
        raise SourceError(f"{asked.path} holds a model that was not fitted; call fit, then dump it")
    if len(asked.samples) != 1:
        raise DataError(
            f"the samples hold {', '.join(sorted(asked.samples))}; a scikit-learn model takes one "
            "array of features"
        )
    return TensorSpec(next(iter(asked.samples)), "float32", (-1, int(count)))


def _runner(reference: Any) -> Any:
    def run(rows: Tensors) -> dict[str, Array]:
        # What a request brings is float32; the model itself computes in float64, as it was fitted.
        (features,) = rows.values()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answers = reference(features.astype(np.float64))
        return {name: array.astype(np.float32) for name, array in answers.items()}

    return run


def _serve(graph: Any) -> tf_function.Serve:
    def serve(features: Any) -> dict[str, Any]:
        answers: dict[str, Any] = graph(features)
        return answers

    return serve
