"""Keras models to float32 .tflite: `.keras`, `.h5`, `file.py:function`, `keras.applications:NAME`.

The model itself is asked for its answers: what the candidates are compared with comes from the
source framework, not from a converted file.
"""

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twite.errors import UnsupportedTarget
from twite.fields import suggestion
from twite.tensors import Tensors, TensorSpec
from twite_build.converters import own_code, tf_function
from twite_build.converters.request import (
    Converted,
    Request,
    answer_all,
    check_samples,
    lacks,
    read,
    write,
)
from twite_build.errors import RecipeError, SourceError
from twite_build.scratch import first_line

SEED = 1


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and the source's answers; converters/request.py says what is answered."""
    os.environ.update(tf_function.quiet())
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise lacks("a Keras model", "tensorflow", error) from error
    asked = read(request)
    model, notes, files = _model(asked)
    inputs, names = _input_specs(model), _output_names(model)
    check_samples(asked.samples, inputs)
    answers = _answers(model, asked.samples, inputs, names)
    state = [variable.value for variable in model.variables]
    content, inputs = tf_function.with_any_batch(_serve(model, names), state, inputs)
    tools = ("keras", tf_function.distribution())
    return write(asked, Converted(content, inputs, answers, tools, notes, files))


def _model(asked: Request) -> tuple[Any, tuple[str, ...], dict[str, str]]:
    """The model, what is to be said of it, and the files that it came from."""
    name = asked.source.function
    if asked.source.file == "keras.applications" and name:
        model, note = _application(name, asked.source.weights or "imagenet", asked.samples)
        return model, (note,), {}
    if name:
        import keras

        keras.utils.set_random_seed(SEED)
        code = own_code.load(asked.path, name)
        return _checked(code.call(), f"{asked.path}:{name}"), (), code.files()
    return _load(asked.path), (), {}


def _application(name: str, weights: str, samples: Tensors) -> tuple[Any, str]:
    """A model of keras.applications for the samples' pictures, without its last activation.

    Logits keep the order of the classes as int8, where a softmax over a thousand of them is all
    zeros; the recipe's [postprocess] activation turns them into probabilities.
    """
    import keras

    makers = {k: v for k, v in vars(keras.applications).items() if k[0].isupper()}
    if name not in makers:
        raise SourceError(f"keras.applications has no '{name}'{suggestion(name, [*makers])}")
    if weights not in ("imagenet", "random"):
        raise RecipeError(f"[source] weights is '{weights}'; it must be 'imagenet' or 'random'")
    ((sample, pictures),) = samples.items() if len(samples) == 1 else ((None, None),)
    if pictures is None or pictures.ndim != 4:
        raise SourceError(f"keras.applications:{name} takes one picture; the samples hold others")
    keras.utils.set_random_seed(SEED)
    image = keras.Input(pictures.shape[1:], name=sample)
    chosen = None if weights == "random" else weights
    try:
        model = makers[name](input_tensor=image, weights=chosen, classifier_activation=None)
    except Exception as error:
        raise SourceError(
            f"keras.applications:{name} cannot be made: {first_line(error)}; its weights are "
            'downloaded, which needs a network; weights = "random" does without'
        ) from error
    note = (
        "random weights: its answers mean nothing" if weights == "random" else f"{weights} weights"
    )
    return model, f"{name} with {note}"


def _load(path: Path) -> Any:
    import keras

    if not zipfile.is_zipfile(path) and path.read_bytes()[:4] != b"\x89HDF":
        raise SourceError(f"{path} is not a Keras model; save one with model.save('….keras')")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, AttributeError, ImportError) as error:
        raise SourceError(_why_not(path, str(error))) from error
    return _checked(model, str(path))


def _checked(model: Any, where: str) -> Any:
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise SourceError(
            f"{where} has no fixed inputs and outputs; wrap it in keras.Model(inputs, outputs)"
        )
    return model


def _why_not(path: Path, error: str) -> str:
    """The likely reason in one line: Keras' own messages run over many."""
    if "lambda" in error.lower() or "safe_mode" in error:
        return (
            f"{path} holds a Lambda layer, that is Python code, and no code of a model is run; "
            "replace it by layers or by keras.ops"
        )
    if found := re.search(r"Could not locate (?:class|function) '([^']+)'", error):
        return (
            f"{path} uses '{found[1]}', which your own code defines, and no code of a model is "
            "run; save a model of Keras' own layers, or name a function that returns it: "
            'file = "model.py:make"'
        )
    return f"{path} cannot be loaded by Keras: {error.strip().splitlines()[0]}"


def _input_specs(model: Any) -> list[TensorSpec]:
    specs = []
    for tensor in model.inputs:
        shape = tuple(-1 if size is None else int(size) for size in tensor.shape)
        if shape[:1] not in ((-1,), (1,)):
            raise SourceError(
                f"input '{tensor.name}' takes exactly {shape[:1]} samples at a time; save the "
                "model with a variable batch"
            )
        if tensor.dtype == "string":
            raise UnsupportedTarget(f"input '{tensor.name}' is text; a .tflite takes numbers")
        specs.append(TensorSpec(tensor.name, tensor.dtype, shape))
    return specs


def _output_names(model: Any) -> list[str]:
    """The keys of a dict or the output layers' names; numbered where one layer answers twice."""
    if isinstance(model.output, dict):
        return sorted(model.output)
    names = list(getattr(model, "output_names", None) or [model.layers[-1].name])
    return names if len(set(names)) == len(names) else [f"output_{i}" for i in range(len(names))]


def _answers(model: Any, samples: Tensors, inputs: list[TensorSpec], names: list[str]) -> Tensors:
    """What Keras itself answers, (N, ...) an output."""
    import keras

    def run(rows: Tensors) -> Tensors:
        arguments = _arguments(model, [rows[spec.name] for spec in inputs])
        outputs = keras.tree.flatten(model(arguments, training=False))
        arrays = [keras.ops.convert_to_numpy(output) for output in outputs]
        return dict(zip(names, arrays, strict=True))

    if any(spec.shape[0] == 1 for spec in inputs):
        return answer_all(run, samples, step=1)
    return answer_all(run, samples)


def _arguments(model: Any, tensors: list[Any]) -> Any:
    """Tensors in the order of model.inputs, in the structure that the model is called with."""
    import keras

    return keras.tree.pack_sequence_as(model.input, tensors)


def _serve(model: Any, names: list[str]) -> tf_function.Serve:
    import keras

    def serve(*tensors: Any) -> dict[str, Any]:
        outputs = model(_arguments(model, list(tensors)), training=False)
        return dict(zip(names, keras.tree.flatten(outputs), strict=True))

    return serve
