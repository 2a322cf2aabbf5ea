"""The scikit-learn converter: predict's labels; probabilities and values as close as promised."""

from typing import Any

import numpy as np
import pytest

from twite.engine import Engine
from twite_build.scratch import load_tensors

CLASSIFIERS = (
    *("logistic", "logistic_two", "svc", "svc_two", "mlp", "forest"),
    *("extra", "boosted", "histogram", "bayes", "discriminant", "columns"),
)
REGRESSORS = (
    *("linear", "lasso", "ridge", "svr", "forest_value", "boosted_value"),
    "histogram_value",
)


@pytest.fixture(scope="session")
def sources(made: Any) -> Any:
    return made("make_sklearn.py")


def answers(sources: Any, name: str) -> tuple[str, Any, Any]:
    """The output's name, what the engine answers and what scikit-learn answers."""
    assert "result" in sources.answers[name], sources.answers[name]
    place = sources.folder / name
    ((output, wanted),) = load_tensors(place / "source.npz").items()
    engine = Engine(place / "fp32.tflite")
    assert engine.inputs[0].shape[0] == -1
    return output, engine.run(load_tensors(place / "samples.npz"))[output], wanted


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_has_the_labels_of_predict(sources: Any, name: str) -> None:
    output, came, wanted = answers(sources, name)
    assert (came.argmax(axis=1) == np.load(sources.folder / name / "labels.npy")).all()
    scale = 1 if output == "probabilities" else np.abs(wanted).max()
    assert np.abs(came - wanted).max() <= 1e-5 * scale


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_has_the_values_of_predict(sources: Any, name: str) -> None:
    output, came, wanted = answers(sources, name)
    assert output == "prediction"
    assert came.shape == wanted.shape
    assert np.abs(came - wanted).max() <= 1e-6 * np.abs(wanted).max()


def test_the_same_source_gives_the_same_bytes(sources: Any) -> None:
    assert sources.answers["twice"]["same"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("neighbours", "UnsupportedTarget", "KNeighborsClassifier is not supported; supported are"),
        ("list", "SourceError", "model.joblib holds list; it must hold a fitted scikit-learn"),
        ("unfitted", "SourceError", "LinearRegression was not fitted; call fit, then dump it"),
        ("damaged", "SourceError", "model.joblib cannot be unpickled with scikit-learn"),
    ],
)
def test_refuses_by_name(sources: Any, name: str, error: str, message: str) -> None:
    answer = sources.answers[name]
    assert answer["error"] == error
    assert message in answer["message"]
    assert "\n" not in answer["message"]
