"""Integer inputs and outputs: real values to the integers that stand for them, and back.

The affine scheme of the TFLite specification: real = (q - zero_point) * scale. Preprocessing ends
in real values and an activation starts from them; `quantize` comes after the one, `dequantize`
before the other. What carries no quantization (float tensors, indices) passes as it is.
"""

import numpy as np

from twite.tensors import Array, Quantization, Tensors, TensorSpec


def quantize(tensors: Tensors, specs: tuple[TensorSpec, ...]) -> Tensors:
    """Floats for a quantized input, any shape, to its dtype; out of range is clipped.

    An array that holds integers already passes: it came as the model takes it.
    """
    wanted = {
        spec.name: spec
        for spec in specs
        if spec.quantization is not None and tensors[spec.name].dtype.kind == "f"
    }
    if not wanted:
        return tensors
    return {
        name: _integers(array, wanted[name]) if name in wanted else array
        for name, array in tensors.items()
    }


def dequantize(outputs: Tensors, specs: tuple[TensorSpec, ...]) -> Tensors:
    """Quantized outputs as float32, any shape; the rest as it is."""
    wanted = {spec.name: spec.quantization for spec in specs if spec.quantization is not None}
    if not wanted:
        return outputs
    return {
        name: _reals(array, wanted[name]) if name in wanted else array
        for name, array in outputs.items()
    }


def _integers(array: Array, spec: TensorSpec) -> Array:
    scale, zero_point = spec.quantization or Quantization(1.0, 0)
    limits = np.iinfo(spec.dtype)
    steps = np.rint(array / np.float32(scale)) + np.float32(zero_point)
    # NaN has no integer; the decoder refuses it unless the recipe allows it, and then it is 0.
    steps = np.nan_to_num(steps, nan=zero_point, posinf=limits.max, neginf=limits.min)
    return np.clip(steps, limits.min, limits.max).astype(spec.dtype)


def _reals(array: Array, how: Quantization) -> Array:
    if array.dtype.kind == "f":
        return array
    return (array.astype(np.float32) - np.float32(how.zero_point)) * np.float32(how.scale)
