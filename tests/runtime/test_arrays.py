import json
import math

import numpy as np
import pytest

from twite.decode import Decoded, RequestFormat, decode
from twite.errors import RequestError, ShapeMismatch
from twite.tensors import DType, TensorSpec

JSON = "application/json"
TAKES = "the model takes (3,) float32, or a batch (N, 3) float32"
ROWS = RequestFormat((TensorSpec("x", "float32", (-1, 3)),))


def one(dtype: DType, *shape: int, nonfinite_allowed: bool = False) -> RequestFormat:
    spec = TensorSpec("x", dtype, (-1, *shape))
    return RequestFormat((spec,), nonfinite_allowed=nonfinite_allowed)


def send(value: object, wanted: RequestFormat = ROWS) -> Decoded:
    return decode(json.dumps(value).encode(), JSON, wanted)


def refusal(body: bytes | object, wanted: RequestFormat = ROWS) -> str:
    """The message that a body is refused with; anything but bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestError) as refused:
        decode(raw, JSON, wanted)
    return str(refused.value)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([[1, 2, 3], [4, 5]], "features[1] has 2 entries; it must have 3"),
        ([[1, 2, 3], 4], "features[1] is 4; it must be a list of 3, as the others"),
        ([[1, 2, 3], [4, [5], 6]], "features[1][1] is a list of 1; it must be a number"),
        ([[1, 2, True]], "features[0][2] is true; it must be a number"),
        ([1, False, 3], "features[1] is false; it must be a number"),
        ([["1", "2", "3"]], "features[0][0] is the text '1'; it must be a number"),
        ([[1, 2, None]], "features[0][2] is null; it must be a number"),
        ([[1, 2, {"a": 1}]], "features[0][2] is an object of 1; it must be a number"),
        (None, "features is null; the model takes (3,) float32, or a batch (N, 3) float32"),
        (
            "1,2,3",
            "features is the text '1,2,3'; the model takes (3,) float32, or a batch (N, 3) float32",
        ),
        (
            {"a": 1},
            "features is an object of 1; the model takes (3,) float32, or a batch (N, 3) float32",
        ),
        (True, "features is true; the model takes (3,) float32, or a batch (N, 3) float32"),
    ],
)
def test_names_the_entry_that_is_no_number(features: object, message: str) -> None:
    assert refusal({"features": features}) == message


@pytest.mark.parametrize(
    ("features", "came"),
    [
        ([1, 2, 3, 4], "(4,)"),
        ([[1, 2]], "(1, 2)"),
        ([[[1, 2, 3]]], "(1, 1, 3)"),
        (5, "()"),
        ([], "(0,)"),
        ([[]], "(1, 0)"),
    ],
)
def test_refuses_the_wrong_shape(features: object, came: str) -> None:
    body = json.dumps({"features": features}).encode()
    with pytest.raises(ShapeMismatch) as refused:
        decode(body, JSON, ROWS)
    assert str(refused.value) == f"features is {came}; {TAKES}"


def test_refuses_a_batch_of_none() -> None:
    assert refusal({"features": []}, one("float32")).startswith("features holds no numbers")


@pytest.mark.parametrize("depth", [20, 31])
def test_refuses_lists_nested_deeper_than_an_array_can_be(depth: int) -> None:
    message = refusal(b'{"features": %s1%s}' % (b"[" * depth, b"]" * depth))
    assert "the model takes (3,) float32" in message


def test_one_long_text_costs_no_memory_for_the_numbers_beside_it() -> None:
    # As one numpy array of text these 3 MB would take 4 TB.
    features = ["9" * 1_000_000, *range(300_000)]
    message = refusal({"features": features}, one("float32", -1))
    assert message.startswith("features[0] is the text '999")
    assert len(message) < 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e39"])
@pytest.mark.parametrize("length", [3, 3000])
def test_refuses_what_is_not_finite_in_the_models_dtype(number: str, length: int) -> None:
    body = '{"features": [%s, %s]}' % (", ".join(["0.5"] * (length - 1)), number)  # noqa: UP031
    wanted = one("float32", length)
    message = refusal(body.encode(), wanted)
    assert message.startswith(f"features[{length - 1}] is ")
    assert message.endswith("; it must be a finite float32")


def test_takes_the_largest_numbers_of_the_models_dtype() -> None:
    largest = float(np.finfo(np.float32).max)
    features = [largest, -largest, largest]
    assert send({"features": features}).tensors["x"].tolist() == [features]
    assert send({"features": [1e300] * 3}, one("float64", 3)).tensors["x"].tolist() == [[1e300] * 3]


def test_refuses_integers_that_overflow_a_float() -> None:
    message = "features[0] is 70000; it must be a finite float16"
    assert refusal({"features": [70000]}, one("float16", 1)) == message
    assert refusal({"features": [10**40]}, one("float32", 1)) == (
        "features[0] is 1e+40; it must be a finite float32"
    )
    assert refusal({"features": [10**400]}, one("float32", 1)) == (
        "features holds a whole number that no float32 can hold"
    )


def test_takes_a_large_integer_into_a_float() -> None:
    assert send({"features": [10**30]}, one("float32", 1)).tensors["x"][0, 0] == np.float32(1e30)


def test_nan_passes_where_the_bundle_allows_it() -> None:
    wanted = one("float32", 3, nonfinite_allowed=True)
    row = decode(b'{"features": [NaN, -Infinity, 1e39]}', JSON, wanted).tensors["x"][0]
    assert math.isnan(row[0])
    assert row[1:].tolist() == [-math.inf, math.inf]


@pytest.mark.parametrize(
    ("dtype", "number", "message"),
    [
        ("uint8", 256, "features[0] is 256; it must be a whole number from 0 to 255 (uint8)"),
        ("uint8", -1, "features[0] is -1; it must be a whole number from 0 to 255 (uint8)"),
        ("uint8", 1.5, "features[0] is 1.5; it must be a whole number from 0 to 255 (uint8)"),
        ("uint8", math.nan, "features[0] is nan; it must be a whole number from 0 to 255 (uint8)"),
        ("uint8", math.inf, "features[0] is inf; it must be a whole number from 0 to 255 (uint8)"),
        ("int8", 128, "features[0] is 128; it must be a whole number from -128 to 127 (int8)"),
        ("int32", 2**31, "features[0] is 2147483648; it must be a whole number from "),
        ("int64", 2**63, "features[0] is 9223372036854775808; it must be a whole number from "),
        ("int64", 10**30, "features[0] is 1e+30; it must be a whole number from "),
        ("uint64", -1, "features[0] is -1; it must be a whole number from 0 to "),
        ("uint64", 2**64, "features[0] is 1.8446744073709552e+19; it must be a whole number "),
        ("int64", 1e17, "features[0] is 1e+17; it must be a whole number from -9007199254740991 "),
        ("int64", 10**400, "features holds a whole number that no int64 can hold"),
    ],
)
def test_refuses_numbers_that_an_integer_input_cannot_hold(
    dtype: DType, number: float, message: str
) -> None:
    assert refusal({"features": [number]}, one(dtype, 1)).startswith(message)


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        ("uint8", 255),
        ("int8", -128),
        ("int64", -(2**63)),
        ("int64", 2**63 - 1),
        ("uint64", 2**64 - 1),
    ],
)
def test_takes_the_bounds_of_an_integer_input(dtype: DType, number: int) -> None:
    array = send({"features": [number]}, one(dtype, 1)).tensors["x"]
    assert (array.dtype, array.tolist()) == (np.dtype(dtype), [[number]])


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert send({"features": [3.0, 4]}, one("int32", 2)).tensors["x"].tolist() == [[3, 4]]


def test_a_boolean_input_takes_booleans_only() -> None:
    assert send({"features": [True, False]}, one("bool", 2)).tensors["x"].tolist() == [
        [True, False]
    ]
    assert refusal({"features": [True, 0]}, one("bool", 2)) == (
        "features[1] is 0; it must be a boolean"
    )


@pytest.mark.parametrize(
    ("body", "decoded"),
    [
        ('{"features": [5.1, 3, 0.2]}', True),
        ('{"features": [1e300, 3, 0.2]}', False),
        ('{"features": [NaN, 3, 0.2]}', False),
        ('{"features": [true, 3, 0.2]}', False),
        ('{"features": ["1", 3, 0.2]}', False),
        ('{"features": [1' + "0" * 400 + ", 3, 0.2]}", False),
        ('{"features": [5.1, 3]}', False),
        ('{"features": [5.1, 3, 0.2], "inputs": 1}', False),
    ],
)
def test_a_row_is_the_same_by_the_short_way_and_the_long(body: str, decoded: bool) -> None:
    short = ROWS._replace(row=("x", 3))
    if not decoded:
        assert refusal(body.encode(), short) == refusal(body.encode(), ROWS)
        return
    one, other = (decode(body.encode(), JSON, wanted) for wanted in (short, ROWS))
    assert one.is_batch is other.is_batch is False
    np.testing.assert_array_equal(one.tensors["x"], other.tensors["x"])
