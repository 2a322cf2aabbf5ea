"""Numbers of a JSON body to an array, as strictly as `twite.arrays` and at the speed of numpy.

Where dtype and shape are known before, numpy reads lists fast but takes text and true for numbers.
Here the lists are joined level by level and read once by `array.array`, which takes numbers alone.
"""

from array import array
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from twite.arrays import name_json
from twite.errors import RequestError, ShapeMismatch
from twite.tensors import Array, spell_shape

Shape = tuple[int, ...]


def shape_of(value: object) -> Shape:
    """The lengths along the first entries, which is the shape where the nesting is regular."""
    sizes: list[int] = []
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else None
    return tuple(sizes)


def read_numbers(
    value: object, shape: Shape, dtype: str, where: str, *, has_booleans: bool
) -> Array:
    """Flat or nested numbers (row-major) of this shape; int64, uint64, float64 or bool.

    `twite.arrays.conform` brings them to the dtype or says which number is lost.
    has_booleans is False where the text of the body holds neither true nor false.
    """
    entries = flatten(value, shape, where)
    kind = np.dtype(dtype).kind
    booleans = sum(type(entry) is bool for entry in entries) if has_booleans else 0
    if booleans != (len(entries) if kind == "b" else 0):
        found, wanted = ("numbers", "true or false") if kind == "b" else ("booleans", "numbers")
        raise RequestError(f"{where} holds {found}; the model takes {wanted} ({dtype})")
    if kind == "b":
        return np.array(entries, np.bool_).reshape(shape)
    try:
        return _read(entries, kind).reshape(shape)
    except TypeError:
        wrong = next(entry for entry in entries if not isinstance(entry, int | float))
        raise RequestError(f"{where} holds {name_json(wrong)}; it must hold numbers") from None
    except OverflowError:
        message = f"{where} holds a whole number that no {dtype} can hold"
        raise RequestError(message) from None


def flatten(value: object, shape: Shape, where: str) -> list[Any]:
    """The entries of a list, nested as shape says or already flat, in row-major order."""
    if not isinstance(value, list):
        raise RequestError(f"{where} is {name_json(value)}; it must be a list")
    if len(value) == prod(shape) and not (value and isinstance(value[0], list)):
        return value
    level: list[Any] = [value]
    for size in shape:
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            break
        level = list(chain.from_iterable(level))
    else:
        if shape:
            return level
    came = f"{spell_shape(shape_of(value))} at its first entries"
    raise ShapeMismatch(f"{where} is {came}; its shape says {spell_shape(shape)}")


def _read(entries: list[Any], kind: str) -> Array:
    if kind in "iu":
        try:
            return np.frombuffer(array("q" if kind == "i" else "Q", entries), f"{kind}8")
        except (TypeError, OverflowError):
            # A fraction, or a sign where there is none: the caller names the first that is lost.
            pass
    return np.frombuffer(array("d", entries), np.float64)
