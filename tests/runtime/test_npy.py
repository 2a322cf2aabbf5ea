import io
import random
import struct

import numpy as np
import pytest

from twite.decode import Decoded, RequestFormat, decode
from twite.errors import RequestError, ShapeMismatch
from twite.tensors import Array, DType, TensorSpec


def wanted(dtype: DType, *shape: int, nonfinite_allowed: bool = False) -> RequestFormat:
    spec = TensorSpec("x", dtype, (-1, *shape))
    return RequestFormat((spec,), nonfinite_allowed=nonfinite_allowed)


ROWS = wanted("float32", 3)


def npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def headed(header: str, rest: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + rest


def send(body: bytes, form: RequestFormat = ROWS) -> Decoded:
    return decode(body, "application/x-npy", form)


def refusal(body: bytes, form: RequestFormat = ROWS) -> str:
    with pytest.raises(RequestError) as refused:
        send(body, form)
    return str(refused.value)


def test_reads_one_sample_and_a_batch() -> None:
    row = np.array([1, 2, 3], np.float32)
    assert not send(npy(row)).is_batch
    batch = send(npy(np.stack([row, row + 1])))
    assert batch.is_batch
    np.testing.assert_array_equal(batch.tensors["x"], [[1, 2, 3], [2, 3, 4]])


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", ">i4", "|u1", ">i8"])
def test_brings_every_number_to_the_models_dtype(dtype: str) -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    decoded = send(npy(array)).tensors["x"]
    assert decoded.dtype == np.dtype("float32")
    assert decoded.dtype.isnative
    np.testing.assert_array_equal(decoded, [[1, 2, 3], [4, 5, 6]])


def test_reads_fortran_order() -> None:
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    body = npy(array)
    assert b"'fortran_order': True" in body
    decoded = send(body).tensors["x"]
    np.testing.assert_array_equal(decoded, [[0, 1, 2], [3, 4, 5]])
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_reads_every_version_of_the_format(version: tuple[int, int]) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([1, 2, 3], np.float32), version)
    assert send(file.getvalue()).tensors["x"].tolist() == [[1, 2, 3]]


def test_wide_integers_pass_when_their_values_fit() -> None:
    assert send(npy(np.array([0, 255], np.int64)), wanted("uint8", 2)).tensors["x"].tolist() == [
        [0, 255]
    ]
    assert refusal(npy(np.array([[0, 256]], np.int64)), wanted("uint8", 2)) == (
        "array[0][1] is 256; it must be a whole number from 0 to 255 (uint8)"
    )
    assert refusal(npy(np.array([2**63], np.uint64)), wanted("int64", 1)).startswith(
        "array[0] is 9223372036854775808; it must be a whole number from "
    )


@pytest.mark.parametrize(
    ("array", "dtype", "message"),
    [
        (
            np.array([1], np.float32),
            "int8",
            "the .npy array is float32; the model takes (N, 1) int8",
        ),
        (
            np.array([1], np.float32),
            "bool",
            "the .npy array is float32; the model takes (N, 1) bool",
        ),
        (np.array([True]), "float32", "array is bool; the model takes (1,) float32, or "),
        (np.array([1]), "bool", "array is int64; the model takes (1,) bool, or a batch (N, 1)"),
    ],
)
def test_refuses_a_dtype_that_cannot_become_the_models(
    array: Array, dtype: DType, message: str
) -> None:
    assert refusal(npy(array), wanted(dtype, 1)).startswith(message)


def test_a_boolean_input_takes_booleans() -> None:
    assert send(npy(np.array([True, False])), wanted("bool", 2)).tensors["x"].tolist() == [
        [True, False]
    ]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("length", [3, 3000])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(dtype: str, length: int, number: float) -> None:
    array = np.zeros((2, length), dtype)
    array[1, 1] = number
    message = refusal(npy(array), wanted("float32", length))
    assert message == f"array[1][1] is {number}; it must be a finite float32"
    assert send(npy(array), wanted("float32", length, nonfinite_allowed=True)).is_batch


def test_refuses_doubles_beyond_float32() -> None:
    assert refusal(npy(np.array([1, 2, -1e39], np.float64))) == (
        "array[2] is -1e+39; it must be a finite float32"
    )


def test_refuses_the_wrong_shape() -> None:
    with pytest.raises(ShapeMismatch, match=r"array is \(2, 4\); the model takes \(3,\) float32"):
        send(npy(np.zeros((2, 4), np.float32)))
    with pytest.raises(ShapeMismatch, match="array holds no numbers"):
        send(npy(np.zeros((0, 3), np.float32)))


def test_refuses_pickled_objects_without_reading_them() -> None:
    file = io.BytesIO()
    np.save(file, np.array([object()], dtype=object), allow_pickle=True)
    assert refusal(file.getvalue()) == (
        "the .npy file holds pickled Python objects; bool, integers and floats are read"
    )


@pytest.mark.parametrize("dtype", ["<U4", "S3", "c8", "M8[s]", "V2"])
def test_refuses_what_is_no_number(dtype: str) -> None:
    message = refusal(npy(np.zeros(3, dtype)))
    assert message.startswith("the .npy file holds '")
    assert message.endswith("'; bool, integers and floats are read")


def test_refuses_records() -> None:
    message = refusal(npy(np.zeros(3, [("a", "<f4")])))
    assert message == "the .npy file holds [('a', '<f4')]; bool, integers and floats are read"


def test_refuses_every_truncation() -> None:
    body = npy(np.array([1, 2, 3], np.float32))
    for length in range(1, len(body)):
        assert refusal(body[:length])
    assert refusal(body[:-1]) == "the .npy header promises 12 bytes ((3,) float32); 11 came"
    assert refusal(body[:60]) == "the .npy file ends inside its header, after 60 bytes"


def test_refuses_trailing_bytes() -> None:
    body = npy(np.array([1, 2, 3], np.float32)) + b"\0"
    assert refusal(body) == "the .npy header promises 12 bytes ((3,) float32); 13 came"


def test_refuses_a_giant_shape_before_allocating_it() -> None:
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000, 3), }"
    assert refusal(headed(header, bytes(12))) == (
        "the .npy header promises 12000000000000000 bytes ((1000000000, 1000000, 3) float32); "
        "12 came"
    )


@pytest.mark.parametrize(
    "shape", ["(-1, 3)", "(3.0,)", "(True,)", "3", "[3]", "(0, 10**30)", f"(0, {10**30})"]
)
def test_refuses_an_absurd_shape(shape: str) -> None:
    assert refusal(headed(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{}",
        "[]",
        "(" * 3000,
        "__import__('os').getcwd()",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
        "{'descr': 'f16', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': ['<f4'], 'fortran_order': False, 'shape': (3,)}",
        "{[]: 1}",
    ],
)
def test_refuses_a_header_that_is_not_one(header: str) -> None:
    assert refusal(headed(header, bytes(12)))


def test_refuses_what_is_not_npy() -> None:
    assert refusal(b"PK\x03\x04zip") == (
        "the body is no .npy file: it begins with b'PK\\x03\\x04zi', not b'\\x93NUMPY'"
    )
    assert refusal(b"\x93NUMPY\x04\x00") == (
        "the .npy file has version b'\\x04'; 1, 2 and 3 are read"
    )


def test_nothing_but_a_request_error_comes_out_of_a_broken_file() -> None:
    draw = random.Random(7)
    body = npy(np.arange(6, dtype=np.float64).reshape(2, 3))
    for _ in range(20_000):
        broken = bytearray(body)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(80)
            broken[at : at + draw.randint(0, 2)] = draw.choice(
                [b"(", b"9", b",", draw.randbytes(1)]
            )
        try:
            decoded = send(bytes(broken))
        except RequestError:
            continue
        ROWS.inputs[0].check(decoded.tensors["x"])
