"""Samples for a further signature: the recipe's where they fit, else drawn, the same each time."""

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from twite.tensors import Array, Tensors, TensorSpec


def samples_for(
    inputs: Sequence[TensorSpec], given: Tensors, role: str
) -> tuple[Tensors, tuple[str, ...]]:
    """Samples, as many as are given, and the names of the inputs for which they are drawn.

    given are preprocessed; one fits where its name, dtype and form are the input's. Drawn are
    numbers from -1 to 1, so that calibration sees the range of all; in uint8 pixels, and in other
    integers 0 and 1, because they may be indices.
    """
    count = len(next(iter(given.values())))
    found: Tensors = {}
    drawn: list[str] = []
    for spec in inputs:
        if spec.name in given and fits(given[spec.name], spec):
            found[spec.name] = given[spec.name]
        else:
            found[spec.name] = _draw(spec, count, role)
            drawn.append(spec.name)
    return found, tuple(drawn)


def fits(array: Array, spec: TensorSpec) -> bool:
    """Whether rows of the array are what the input takes; real values are, for integers too."""
    wanted = "float32" if spec.quantization else spec.dtype
    pairs = zip(array.shape[1:], spec.shape[1:], strict=False)
    return (
        array.ndim == len(spec.shape)
        and array.dtype == np.dtype(wanted)
        and all(want in (-1, size) for size, want in pairs)
    )


def _draw(spec: TensorSpec, count: int, role: str) -> Array:
    random = np.random.default_rng(crc32(f"{role} {spec.name}".encode()))
    shape = (count, *map(abs, spec.shape[1:]))
    dtype = np.dtype("float32" if spec.quantization else spec.dtype)
    if dtype.kind == "f":
        return random.uniform(-1, 1, shape).astype(dtype)
    return random.integers(0, 256 if dtype == np.uint8 else 2, shape).astype(dtype)
