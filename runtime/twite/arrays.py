"""Nested lists and foreign arrays to arrays of an input's own dtype and shape, or a reason why not.

Nothing is bent to fit: text, booleans and null are not numbers, a fraction is not an integer, and
a number that the dtype cannot hold is refused with its place.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from twite.errors import RequestError, ShapeMismatch
from twite.fields import spell
from twite.tensors import Array, TensorSpec, spell_shape

# A sum of squares below the square of the dtype's largest number proves every double finite and in
# range at a quarter of the cost of isfinite().all(); BLAS would start threads for a long array.
_SQUARED_LIMIT = {
    2: float(np.finfo(np.float16).max) ** 2,
    4: float(np.finfo(np.float32).max) ** 2,
    8: math.inf,
}
_SMALL = 1024

_NUMBERS, _LISTS = {int, float}, {list}

# Beyond this a double may not be the whole number that was written.
_EXACT_IN_DOUBLE = 2**53 - 1


def plain_row(value: object, length: int) -> Array | None:
    """A list of so many moderate numbers as (1, length) float32; None for what needs a closer look.

    The same bits as from_nested gives: each number is a double exactly and is rounded once.
    """
    if type(value) is not list or len(value) != length or not _NUMBERS.issuperset(map(type, value)):
        return None
    try:
        # Of NaN this is false.
        is_moderate = math.hypot(*value) < _EXACT_IN_DOUBLE
    except OverflowError:
        return None
    return np.array([value], np.float32) if is_moderate else None


def from_nested(
    value: object, spec: TensorSpec, where: str, *, nonfinite_allowed: bool, numbers_only: bool
) -> Array:
    """Parsed JSON to an array of the input's dtype; the shape is `with_batch`'s to check.

    numbers_only promises that value holds no text and no boolean: numpy reads both as numbers,
    and one long text makes it allocate that length for every number beside it.
    """
    if spec.dtype == "bool" or not numbers_only:
        check_nested(value, spec, where)
    try:
        array = np.array(value)
        if array.dtype.kind == "O":
            check_nested(value, spec, where)
            array = np.array(value, np.float64)
    except OverflowError:
        message = f"{where} holds a whole number that no {spec.dtype} can hold"
        raise RequestError(message) from None
    except (ValueError, TypeError) as error:
        check_nested(value, spec, where)
        raise ShapeMismatch(f"{where} is not an array: {error}; {_wanted(spec)}") from error
    return conform(array, spec, where, nonfinite_allowed=nonfinite_allowed)


def conform(array: Array, spec: TensorSpec, where: str, *, nonfinite_allowed: bool) -> Array:
    """Numbers of any width to the input's dtype, or a RequestError naming the first that is lost.

    Booleans pass only into a bool input. Read-only and equal arrays pass without a copy.
    """
    target = np.dtype(spec.dtype)
    if (array.dtype.kind == "b") != (target.kind == "b"):
        raise ShapeMismatch(f"{where} is {array.dtype}; {_wanted(spec)}")
    if target.kind == "f":
        return _to_floats(array, target, where, nonfinite_allowed)
    return array if target.kind == "b" else _to_integers(array, target, where)


def with_batch(array: Array, spec: TensorSpec, where: str) -> tuple[Array, bool]:
    """The array with its batch dimension, and whether it came with one."""
    is_batch = array.ndim == len(spec.shape) or not spec.is_batched
    batch = array if is_batch else array[None]
    if batch.shape[1:] != spec.shape[1:] or not spec.is_batched:
        _check_shape(batch.shape, array.shape, spec, where)
    if not array.size:
        raise ShapeMismatch(f"{where} holds no numbers; {_wanted(spec)}")
    return batch, is_batch


def check_nested(value: object, spec: TensorSpec, where: str) -> None:
    """Raise the RequestError that names the first entry which is not what the input takes there."""
    found = _dimensions(value)
    batch = (-1, *spec.shape[1:]) if spec.is_batched else spec.shape
    shape = batch[1:] if spec.is_batched and len(found) == len(batch) - 1 else batch
    if len(found) != len(shape):
        came = f"nested {len(found)} deep" if isinstance(value, list) else name_json(value)
        raise ShapeMismatch(f"{where} is {came}; {_wanted(spec)}")
    sizes = [came if size == -1 else size for came, size in zip(found, shape, strict=True)]
    _check_entries(value, sizes, where, "boolean" if spec.dtype == "bool" else "number")


def name_json(value: object) -> str:
    """A parsed JSON value for a message, in JSON's words; containers by their size alone."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if isinstance(value, str):
        return f"the text {spell(value[:60])}"
    for constant, name in ((None, "null"), (True, "true"), (False, "false")):
        if value is constant:
            return name
    return spell(value)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def only_numbers(value: object) -> bool:
    """Whether nested lists hold whole numbers and fractions alone, a call for each list."""
    if type(value) is list:
        kinds = set(map(type, value))
        return kinds <= _NUMBERS or (kinds == _LISTS and all(map(only_numbers, value)))
    return type(value) in _NUMBERS


def _dimensions(value: object) -> list[int]:
    """The lengths along the first entries, which is the shape when the nesting is regular."""
    sizes: list[int] = []
    while isinstance(value, list):
        sizes.append(len(value))
        value = value[0] if value else None
    return sizes


def _check_entries(value: object, sizes: Sequence[int], where: str, wanted: str) -> None:
    if not sizes:
        fits = isinstance(value, bool) if wanted == "boolean" else is_number(value)
        if not fits:
            raise RequestError(f"{where} is {name_json(value)}; it must be a {wanted}")
        return
    if not isinstance(value, list):
        message = f"{where} is {name_json(value)}; it must be a list of {sizes[0]}, as the others"
        raise ShapeMismatch(message)
    if len(value) != sizes[0]:
        raise ShapeMismatch(f"{where} has {len(value)} entries; it must have {sizes[0]}")
    for i, item in enumerate(value):
        _check_entries(item, sizes[1:], f"{where}[{i}]", wanted)


def _to_floats(array: Array, target: "np.dtype[Any]", where: str, nonfinite_allowed: bool) -> Array:
    if array.dtype.char == "d" and array.size <= _SMALL:
        if np.vdot(array, array) < _SQUARED_LIMIT[target.itemsize]:
            return array.astype(target, copy=False)
    elif array.dtype.kind != "f" and target.itemsize > 2:
        return array.astype(target)
    with np.errstate(over="ignore", invalid="ignore"):
        floats = array.astype(target, copy=False)
        # A sum takes no memory of its own, and lets go of the interpreter's lock once, not twice.
        if nonfinite_allowed or math.isfinite(np.add.reduce(floats, axis=None)):
            return floats
    if not (is_finite := np.isfinite(floats)).all():
        place, number = _first(array, ~is_finite, where)
        raise RequestError(f"{place} is {number}; it must be a finite {target}")
    return floats


def _to_integers(array: Array, target: "np.dtype[Any]", where: str) -> Array:
    bounds = np.iinfo(target)
    lowest, highest = int(bounds.min), int(bounds.max)
    if array.dtype.kind == "f":
        lowest, highest = max(lowest, -_EXACT_IN_DOUBLE), min(highest, _EXACT_IN_DOUBLE)
        lost = ~((array >= lowest) & (array <= highest) & (np.floor(array) == array))
    elif not array.size or (lowest <= int(array.min()) and int(array.max()) <= highest):
        return array.astype(target, copy=False)
    else:
        lost = (array < lowest) | (array > highest)
    if lost.any():
        place, number = _first(array, lost, where)
        wanted = f"a whole number from {lowest} to {highest} ({target})"
        raise RequestError(f"{place} is {number}; it must be {wanted}")
    return array.astype(target)


def _first(array: Array, lost: Array, where: str) -> tuple[str, object]:
    place = np.unravel_index(int(lost.argmax()), lost.shape)
    return where + "".join(f"[{i}]" for i in place), array[place].item()


def _check_shape(
    batch: tuple[int, ...], came: tuple[int, ...], spec: TensorSpec, where: str
) -> None:
    wanted = (-1, *spec.shape[1:]) if spec.is_batched else spec.shape
    fits = len(batch) == len(wanted) and all(
        want in (-1, size) for want, size in zip(wanted, batch, strict=True)
    )
    if not fits:
        raise ShapeMismatch(f"{where} is {spell_shape(came)}; {_wanted(spec)}")


def _wanted(spec: TensorSpec) -> str:
    if not spec.is_batched:
        return f"the model takes {spec}"
    return f"the model takes {spell_shape(spec.shape[1:])} {spec.dtype}, or a batch {spec}"
