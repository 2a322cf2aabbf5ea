"""Tensor specifications: a name, a dtype and a shape, with the batch first."""

from typing import Any, Literal, NamedTuple

import numpy as np

from twite.errors import ShapeMismatch

DType = Literal[
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
]
Array = np.ndarray[tuple[Any, ...], np.dtype[Any]]
Tensors = dict[str, Array]


class Quantization(NamedTuple):
    """What an integer stands for: (q - zero_point) * scale."""

    scale: float
    zero_point: int


class TensorSpec(NamedTuple):
    """One input or output; a dimension of -1 is variable.

    quantization is there where integers stand for real values.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    quantization: Quantization | None = None

    @property
    def is_batched(self) -> bool:
        """Whether the first dimension counts samples: it is variable or 1."""
        return bool(self.shape) and self.shape[0] in (-1, 1)

    def check(self, array: Array) -> None:
        """Raise ShapeMismatch unless array has this dtype and shape; any batch size is fine."""
        wanted = (-1, *self.shape[1:]) if self.is_batched else self.shape
        fits = array.shape == self.shape or (
            array.ndim == len(wanted)
            and all(want in (-1, got) for want, got in zip(wanted, array.shape, strict=True))
        )
        if not fits or array.dtype != np.dtype(self.dtype):
            came = f"{spell_shape(array.shape)} {array.dtype}"
            raise ShapeMismatch(f"input '{self.name}' is {came}; the model takes {self}")

    def __str__(self) -> str:
        wanted = (-1, *self.shape[1:]) if self.is_batched else self.shape
        return f"{spell_shape(wanted)} {self.dtype}"


def spell_shape(shape: tuple[int, ...]) -> str:
    """(-1, 28, 28) as '(N, 28, 28)'; a one-dimensional shape keeps its comma."""
    inside = ", ".join("N" if size == -1 else str(size) for size in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"
