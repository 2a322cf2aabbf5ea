"""Keras models, `.keras` and `.h5`, to float32 .tflite; runs in a child process.

The child also asks the model itself for its answers: what the candidates are compared with comes
from the source framework, not from a converted file.
"""

import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from twite.errors import ShapeMismatch, TwiteError, UnsupportedTarget
from twite.fields import to_table
from twite.tensors import Tensors, TensorSpec
from twite_build.errors import ConversionFailed, DataError, SourceError
from twite_build.scratch import load_tensors, save_model, save_tensors

BATCH = 64
SIGNATURE = "serving_default"


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model at request["model"] and the source's answers at request["outputs"].

    request["source"] is the trained model, request["samples"] the preprocessed evaluation samples.
    The answer holds the specifications and the versions of the tools.
    """
    _quiet()
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise TwiteError(
            f'a Keras model needs TensorFlow ({error}): pip install "twite-build[tensorflow]"'
        ) from error
    model = _load(Path(request["source"]))
    inputs, names = _input_specs(model), _output_names(model)
    samples = load_tensors(Path(request["samples"]))
    _check_samples(samples, inputs)
    save_tensors(Path(request["outputs"]), _answers(model, samples, inputs, names))
    content, inputs = _with_any_batch(model, inputs, names)
    save_model(Path(request["model"]), content)
    return {
        "inputs": [to_table(spec) for spec in inputs],
        "outputs": names,
        "tools": {tool: version(tool) for tool in ("keras", _tensorflow())},
    }


def _quiet() -> None:
    # Read by TensorFlow while it is imported; the GPU would only change the last digits.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}
    os.environ.update(quiet, CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")


def _tensorflow() -> str:
    """The name of the distribution: there is one a kind of machine."""
    from importlib.metadata import packages_distributions

    return packages_distributions()["tensorflow"][0].replace("_", "-")


def _load(path: Path) -> Any:
    import keras

    if not zipfile.is_zipfile(path) and path.read_bytes()[:4] != b"\x89HDF":
        raise SourceError(f"{path} is not a Keras model; save one with model.save('….keras')")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, AttributeError, ImportError) as error:
        raise SourceError(_why_not(path, str(error))) from error
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise SourceError(
            f"{path} has no fixed inputs and outputs; wrap it in keras.Model(inputs, outputs)"
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
            "run; save a model of Keras' own layers"
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


def _check_samples(samples: Tensors, inputs: list[TensorSpec]) -> None:
    wanted = [spec.name for spec in inputs]
    if set(samples) != set(wanted):
        raise DataError(
            f"the samples hold {', '.join(sorted(samples))}; the model takes {', '.join(wanted)}: "
            "the arrays and [preprocess] input must have the names of the model's inputs"
        )
    for spec in inputs:
        try:
            spec.check(samples[spec.name])
        except ShapeMismatch as error:
            raise DataError(f"after [preprocess], {error}") from error


def _answers(model: Any, samples: Tensors, inputs: list[TensorSpec], names: list[str]) -> Tensors:
    """What Keras itself answers, (N, ...) an output."""
    import keras

    count = len(samples[inputs[0].name])
    step = 1 if any(spec.shape[0] == 1 for spec in inputs) else BATCH
    batches = []
    for start in range(0, count, step):
        batch = [samples[spec.name][start : start + step] for spec in inputs]
        outputs = keras.tree.flatten(model(_arguments(model, batch), training=False))
        batches.append([keras.ops.convert_to_numpy(output) for output in outputs])
    return {name: np.concatenate([b[i] for b in batches]) for i, name in enumerate(names)}


def _arguments(model: Any, tensors: list[Any]) -> Any:
    """Tensors in the order of model.inputs, in the structure that the model is called with."""
    import keras

    return keras.tree.pack_sequence_as(model.input, tensors)


def _with_any_batch(
    model: Any, inputs: list[TensorSpec], names: list[str]
) -> tuple[bytes, list[TensorSpec]]:
    """The .tflite with the model's own batch; recurrent layers convert with a batch of 1 only."""
    try:
        return _to_tflite(model, inputs, names), inputs
    except ConversionFailed:
        fixed = [spec._replace(shape=(1, *spec.shape[1:])) for spec in inputs]
        if fixed == inputs:
            raise
        return _to_tflite(model, fixed, names), fixed


def _to_tflite(model: Any, inputs: list[TensorSpec], names: list[str]) -> bytes:
    import tensorflow as tf

    class Saved(tf.Module):  # type: ignore[misc]
        pass

    saved = Saved()
    # Tracked one by one: a tracked Keras model leaves its variables unfrozen in the .tflite, which
    # then loads and answers NaN.
    saved.state = [variable.value for variable in model.variables]
    saved.serve = _serving_function(model, inputs, names)
    with tempfile.TemporaryDirectory(prefix="twite-") as folder:
        tf.saved_model.save(saved, folder, signatures={SIGNATURE: saved.serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        try:
            content: bytes = converter.convert()
        except Exception as error:
            raise _refusal(str(error)) from error
    return content


def _serving_function(model: Any, inputs: list[TensorSpec], names: list[str]) -> Any:
    import keras
    import tensorflow as tf

    signature = [
        tf.TensorSpec([None if n == -1 else n for n in spec.shape], spec.dtype, spec.name)
        for spec in inputs
    ]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def serve(*tensors: Any) -> dict[str, Any]:
        outputs = model(_arguments(model, list(tensors)), training=False)
        return dict(zip(names, keras.tree.flatten(outputs), strict=True))

    return serve


def _refusal(error: str) -> TwiteError:
    """The operators that .tflite has not, by name, or the converter's own first line."""
    found = re.findall(r"(?:Select|Flex|Custom|custom) ops: ([^\n]*)", error)
    if found:
        listed = {name.strip() for line in found for name in line.split(",")}
        names = ", ".join(sorted(name for name in listed if name.isidentifier()))
        return UnsupportedTarget(
            f"the model needs the operators {names}, which no TFLite runtime here has; replace "
            "the layers that use them"
        )
    return ConversionFailed(f"the TFLite converter refused the model: {error.splitlines()[0]}")
