"""A function in TensorFlow's operations to a float32 .tflite with one named signature."""

import re
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from twite.errors import TwiteError, UnsupportedTarget
from twite.tensors import TensorSpec
from twite_build.errors import ConversionFailed
from twite_build.scratch import first_line

SIGNATURE = "serving_default"

Serve = Callable[..., dict[str, Any]]
"""Takes the inputs' tensors in their order and answers the outputs' by name."""


def quiet() -> dict[str, str]:
    """The environment in which TensorFlow is quiet and computes the same on every machine.

    Read while it is imported; the GPU would only change the last digits.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}
    return {**quiet, "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}


def distribution() -> str:
    """The name of TensorFlow's distribution: there is one a kind of machine."""
    from importlib.metadata import packages_distributions

    return packages_distributions()["tensorflow"][0].replace("_", "-")


def with_any_batch(
    serve: Serve, state: Sequence[Any], inputs: list[TensorSpec]
) -> tuple[bytes, list[TensorSpec]]:
    """The .tflite with the source's own batch; recurrent layers convert with a batch of 1 only."""
    try:
        return to_tflite(serve, state, inputs), inputs
    except ConversionFailed:
        fixed = with_one(inputs)
        if fixed == inputs:
            raise
        return to_tflite(serve, state, fixed), fixed


def with_one(inputs: Sequence[TensorSpec]) -> list[TensorSpec]:
    return [spec._replace(shape=(1, *spec.shape[1:])) for spec in inputs]


def to_tflite(serve: Serve, state: Sequence[Any], inputs: Sequence[TensorSpec]) -> bytes:
    """state are the variables that serve uses: untracked ones could not be saved."""
    import tensorflow as tf

    class Saved(tf.Module):  # type: ignore[misc]
        pass

    saved = Saved()
    # Tracked one by one: a tracked Keras model leaves its variables unfrozen in the .tflite, which
    # then loads and answers NaN.
    saved.state = list(state)
    signature = [
        tf.TensorSpec([None if n == -1 else n for n in spec.shape], spec.dtype, spec.name)
        for spec in inputs
    ]
    saved.serve = tf.function(serve, input_signature=signature, autograph=False)
    with tempfile.TemporaryDirectory(prefix="twite-") as folder:
        try:
            tf.saved_model.save(saved, folder, signatures={SIGNATURE: saved.serve})
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise ConversionFailed(
                f"TensorFlow cannot trace the model: {first_line(error)}"
            ) from error
        return convert_folder(folder, [SIGNATURE])


def convert_folder(folder: str, signatures: list[str], *, old: bool = False) -> bytes:
    """A SavedModel through the converter; old ones with optimizer state need the v1 one."""
    import tensorflow as tf

    if old:
        converter = tf.compat.v1.lite.TFLiteConverter.from_saved_model(
            folder, signature_key=signatures[0]
        )
    else:
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=signatures)
        # It drops all but 'serving_default' of what has an attribute `serve`, without a word.
        converter._saved_model_exported_names = signatures
    try:
        content: bytes = converter.convert()
    except Exception as error:
        raise refusal(str(error)) from error
    return content


def refusal(error: str) -> TwiteError:
    """The operators that .tflite has not, by name, or the converter's own first line."""
    listed = _missing_operators(error)
    if listed:
        return UnsupportedTarget(
            f"the model needs the operators {', '.join(sorted(listed))}, which no TFLite runtime "
            "here has; replace the layers that use them"
        )
    if "TensorListReserve" in error:
        return ConversionFailed(
            "the model has a recurrent layer over a free batch; build from the .keras file, or "
            "trace it with a batch of 1"
        )
    return ConversionFailed(f"the TFLite converter refused the model: {error.splitlines()[0]}")


def _missing_operators(error: str) -> set[str]:
    found = re.findall(r"(?:Select|Flex|Custom|custom) ops: ([^\n]*)", error)
    names = {name.strip() for line in found for name in line.split(",")}
    names |= set(re.findall(r"'(?:vhlo|stablehlo|chlo|mhlo)\.(\w+?)(?:_v\d+)?' op", error))
    return {name for name in names if name.isidentifier()}
