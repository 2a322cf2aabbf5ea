"""Read a `.npy` file from memory: numbers only, checked against the body before any is touched.

numpy.lib.format specifies the file. Pickled objects are refused because unpickling executes code,
and the array is a view of the body, so a header cannot make this process allocate.
"""

import ast
import math
import re
from typing import Any

import numpy as np

from twite.errors import RequestError
from twite.fields import spell
from twite.tensors import Array

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 4096
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


def read_npy(body: bytes) -> Array:
    """The array as it lies in body, read-only. Raises RequestError."""
    descr, is_fortran, shape, start = _header(body)
    dtype = np.dtype(descr)
    promised, came = math.prod(shape) * dtype.itemsize, len(body) - start
    if promised != came:
        message = f"the .npy header promises {promised} bytes ({shape} {dtype}); {came} came"
        raise RequestError(message)
    array = np.frombuffer(body, dtype, offset=start) if came else np.empty(0, dtype)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _header(body: bytes) -> tuple[str, bool, tuple[int, ...], int]:
    """descr, fortran_order, shape and the offset of the first number."""
    if not body.startswith(_MAGIC):
        raise RequestError(f"the body is no .npy file: it begins with {body[:6]!r}, not {_MAGIC!r}")
    version, length_size = body[6:7], 2 if body[6:7] == b"\x01" else 4
    if version not in (b"\x01", b"\x02", b"\x03"):
        raise RequestError(f"the .npy file has version {version!r}; 1, 2 and 3 are read")
    start = 8 + length_size
    length = int.from_bytes(body[8:start], "little")
    if length > _LONGEST_HEADER:
        raise RequestError(f"the .npy header is {length} bytes; at most {_LONGEST_HEADER} are read")
    text = body[start : start + length]
    if len(text) < length or len(body) < start:
        raise RequestError(f"the .npy file ends inside its header, after {len(body)} bytes")
    return *_fields(text), start + length


def _fields(text: bytes) -> tuple[str, bool, tuple[int, ...]]:
    try:
        table: Any = ast.literal_eval(text.decode().strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise RequestError(f"the .npy header is not a Python literal: {spell(text)}") from error
    if not isinstance(table, dict) or set(table) != {"descr", "fortran_order", "shape"}:
        wanted = "it must hold descr, fortran_order and shape"
        raise RequestError(f"the .npy header is {spell(table)}; {wanted}")
    descr, is_fortran, shape = table["descr"], table["fortran_order"], table["shape"]
    if not isinstance(descr, str) or not _DTYPE.fullmatch(descr):
        what = "pickled Python objects" if descr == "|O" else spell(descr)
        raise RequestError(f"the .npy file holds {what}; bool, integers and floats are read")
    if not isinstance(is_fortran, bool) or not _is_shape(shape):
        raise RequestError(f"the .npy header has the shape {spell(shape)}; it must be a tuple")
    return descr, is_fortran, shape


def _is_shape(shape: object) -> bool:
    # 32 dimensions are what every numpy can hold; a size of 0 could hide an absurd one beside it.
    return (
        isinstance(shape, tuple)
        and len(shape) <= 32
        and all(type(size) is int and 0 <= size < 2**31 for size in shape)
    )
