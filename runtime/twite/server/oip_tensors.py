"""Tensors on the wire of the Open Inference Protocol v2: JSON data and the binary extension.

Binary tensors follow the JSON in the order of the inputs, row-major and little-endian; an element
of BYTES is its length in four bytes and then its content. kserve.github.io and the document
`extension_binary_data.md` of Triton's protocol specify both.
"""

from base64 import b64decode
from math import prod
from typing import Any

import numpy as np

from twite.errors import RequestError, ShapeMismatch
from twite.manifest import Manifest
from twite.server.intake import PIXELS, image_of, take_array, take_bytes, takes_bytes
from twite.server.long_numbers import LongNumbers, NotPlain
from twite.server.numbers import flatten, read_numbers
from twite.tensors import Array, DType, TensorSpec

DTYPES: dict[str, DType] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "INT8": "int8",
    "UINT16": "uint16",
    "INT16": "int16",
    "UINT32": "uint32",
    "INT32": "int32",
    "UINT64": "uint64",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
_ON_THE_WIRE = {each: np.dtype(dtype).newbyteorder("<") for each, dtype in DTYPES.items()}
DATATYPES: dict[str, str] = {dtype: datatype for datatype, dtype in DTYPES.items()}
BYTES = "BYTES"

Shape = tuple[int, ...]


def accepted(spec: TensorSpec, manifest: Manifest) -> list[str]:
    """The datatypes that an input takes, its own first."""
    found = [DATATYPES[spec.dtype]]
    if image_of(spec, manifest):
        found.append(DATATYPES[PIXELS])
    if spec.quantization:
        found.append("FP32")
    if takes_bytes(spec, manifest):
        found.append(BYTES)
    return list(dict.fromkeys(found))


def check_datatype(datatype: object, spec: TensorSpec, manifest: Manifest) -> None:
    takes = accepted(spec, manifest)
    if datatype not in takes:
        raise RequestError(
            f"input '{spec.name}' has datatype {datatype!r:.40}; it takes {' or '.join(takes)}"
        )


def from_json(
    data: object,
    shape: Shape,
    datatype: str,
    spec: TensorSpec,
    manifest: Manifest,
    *,
    has_booleans: bool,
) -> Array:
    """The `data` of an input, flat or nested. Raises RequestError."""
    where = f"input '{spec.name}'"
    if datatype == BYTES:
        texts = flatten(data, shape, where)
        is_picture = image_of(spec, manifest) is not None
        return take_bytes([_element(text, is_picture, where) for text in texts], spec, manifest)
    if datatype == "FP16":
        message = "FP16 cannot travel as JSON; send it as binary data"
        raise RequestError(f"{where}: {message} (binary_data_size)")
    dtype = DTYPES[datatype]
    array = read_numbers(data, shape, dtype, where, has_booleans=has_booleans)
    return take_array(array, dtype, spec, manifest)


def from_long_json(
    numbers: LongNumbers,
    shape: Shape,
    datatype: str,
    spec: TensorSpec,
    manifest: Manifest,
    most: int,
) -> Array:
    """As from_json does; raises NotPlain for what that has to look at."""
    dtype = DTYPES.get(datatype)
    if dtype is None or dtype == "float16":
        raise NotPlain
    array = numbers.read(shape, np.dtype(dtype).kind, most)
    return take_array(array, dtype, spec, manifest)


def from_binary(
    content: memoryview, shape: Shape, datatype: str, spec: TensorSpec, manifest: Manifest
) -> Array:
    """The binary data of an input; the array is a view of it. Raises RequestError."""
    where = f"input '{spec.name}'"
    if datatype == BYTES:
        items = _elements(content, where)
        if len(items) != prod(shape):
            raise ShapeMismatch(f"{where} holds {len(items)} elements; its shape says {[*shape]}")
        return take_bytes(items, spec, manifest)
    dtype = _ON_THE_WIRE[datatype]
    size = prod(shape) * dtype.itemsize
    if len(content) != size:
        came = f"{where} has {len(content)} bytes"
        raise ShapeMismatch(f"{came}; shape {[*shape]} of {datatype} takes {size}")
    if datatype == "BOOL" and np.frombuffer(content, np.uint8).max(initial=0) > 1:
        raise RequestError(f"{where} has a byte above 1; a BOOL is 0 or 1")
    return take_array(
        np.frombuffer(content, dtype).reshape(shape), DTYPES[datatype], spec, manifest
    )


def from_raw(content: memoryview, spec: TensorSpec, manifest: Manifest) -> Array:
    """A body that is nothing but the one input: a picture, a text, or a tensor of any batch."""
    row, itemsize = spec.shape[1:], np.dtype(spec.dtype).itemsize
    size = prod(row) * itemsize
    is_tensor = size > 0 and len(content) % size == 0 and len(content) > 0
    if takes_bytes(spec, manifest) and not (is_tensor and image_of(spec, manifest)):
        return take_bytes([bytes(content)], spec, manifest)
    if -1 in row or not is_tensor:
        message = f"the body is {len(content)} bytes; the model takes {spec}"
        raise ShapeMismatch(f"{message}, {size} bytes a sample")
    shape = (len(content) // size, *row) if spec.is_batched else spec.shape
    return from_binary(content, shape, DATATYPES[spec.dtype], spec, manifest)


def to_binary(array: Array) -> bytes:
    if array.dtype.kind in "OSU":
        encoded = [text.encode() for text in array.ravel().tolist()]
        return b"".join(len(item).to_bytes(4, "little") + item for item in encoded)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def to_json(array: Array, name: str) -> list[Any]:
    """The flat row-major data; raises RequestError for FP16, which JSON cannot carry here."""
    if array.dtype == np.float16:
        message = f"output '{name}' is FP16, which cannot travel as JSON"
        raise RequestError(f"{message}; ask for it as binary_data")
    return list(array.ravel().tolist())


def datatype_of(array: Array) -> str:
    return BYTES if array.dtype.kind in "OSU" else DATATYPES[array.dtype.name]


def _element(text: object, is_picture: bool, where: str) -> bytes:
    """An element of BYTES in JSON is text; a picture, which is none, is written in base64."""
    if not isinstance(text, str):
        raise RequestError(f"{where} is BYTES; in JSON its elements are texts")
    if not is_picture:
        return text.encode()
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise RequestError(f"{where} is a picture; in JSON it is base64: {error}") from error


def _elements(content: memoryview, where: str) -> list[bytes]:
    found: list[bytes] = []
    start = 0
    while start < len(content):
        end = start + 4 + int.from_bytes(content[start : start + 4], "little")
        if start + 4 > len(content) or end > len(content):
            message = f"element {len(found)} ends after its {len(content)} bytes"
            raise RequestError(f"{where}: {message}; each is its length in four bytes and content")
        found.append(bytes(content[start + 4 : end]))
        start = end
    return found
