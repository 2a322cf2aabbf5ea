"""The binary tensor extension of the Open Inference Protocol, byte by byte."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.server.exchange import Answer
from twite.server.oip_heads import Heads
from twite.server.oip_request import Asked, Wanted
from twite.server.oip_tensors import DTYPES

SEVEN = Path(__file__).parents[3] / "examples/digits/seven.png"
LENGTH = "inference-header-content-length"
Ask = Callable[..., Answer]


def entry(name: str, shape: list[int], datatype: str, size: int) -> dict[str, Any]:
    parameters = {"binary_data_size": size}
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": parameters}


def send(ask: Ask, model: str, table: object, binary: bytes) -> Answer:
    text = json.dumps(table).encode()
    headers = {LENGTH: str(len(text)), "content-type": "application/octet-stream"}
    return ask("POST", f"/v2/models/{model}/infer", text + binary, headers)


def element(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


LEFT = np.float32([[1, 2, 3], [4, 5, 6]])
RIGHT = np.float32([[10], [20]])
PAIR = [entry("right", [2, 1], "FP32", 8), entry("left", [2, 3], "FP32", 24)]


def test_tensors_follow_the_json_in_the_order_of_the_inputs(ask: Ask) -> None:
    table = {"inputs": PAIR, "parameters": {"binary_data_output": True}}
    answer = send(ask, "pair", table, RIGHT.tobytes() + LEFT.tobytes())
    assert answer.status == 200, answer.body
    assert answer.content_type == "application/octet-stream"
    length = int(dict(answer.headers)[LENGTH])
    outputs = json.loads(answer.body[:length])["outputs"]
    assert [each["parameters"] for each in outputs] == [
        {"binary_data_size": 8},
        {"binary_data_size": 24},
    ]
    rows, total = (LEFT + RIGHT).sum(axis=1), LEFT + RIGHT
    assert answer.body[length:] == rows.tobytes() + total.tobytes()


def test_each_output_may_be_binary_or_json(ask: Ask) -> None:
    outputs = [{"name": "total", "parameters": {"binary_data": True}}, {"name": "rows"}]
    table = {"inputs": PAIR, "outputs": outputs}
    answer = send(ask, "pair", table, RIGHT.tobytes() + LEFT.tobytes())
    length = int(dict(answer.headers)[LENGTH])
    total, rows = json.loads(answer.body[:length])["outputs"]
    assert "data" not in total
    assert rows["data"] == [36.0, 75.0]
    assert answer.body[length:] == (LEFT + RIGHT).tobytes()


def test_every_dtype_comes_back_as_its_bytes(ask: Ask) -> None:
    dtypes = {
        "bool": "BOOL",
        "uint8": "UINT8",
        "int8": "INT8",
        "int16": "INT16",
        "int32": "INT32",
        "uint32": "UINT32",
        "int64": "INT64",
        "float16": "FP16",
        "float32": "FP32",
        "float64": "FP64",
    }
    arrays = {dtype: np.array([[1, 0], [0, 1]], dtype) for dtype in dtypes}
    inputs = [
        entry(f"in_{dtype}", [2, 2], dtypes[dtype], array.nbytes) for dtype, array in arrays.items()
    ]
    outputs = [{"name": f"out_{dtype}", "parameters": {"binary_data": True}} for dtype in dtypes]
    sent = b"".join(array.tobytes() for array in arrays.values())
    answer = send(ask, "every", {"inputs": inputs, "outputs": outputs}, sent)
    assert answer.status == 200, answer.body
    length = int(dict(answer.headers)[LENGTH])
    assert answer.body[length:] == sent
    found = json.loads(answer.body[:length])["outputs"]
    assert [each["datatype"] for each in found] == [*dtypes.values()]


def test_a_picture_and_a_text_are_elements_of_bytes(ask: Ask) -> None:
    picture = element(SEVEN.read_bytes())
    table = {"inputs": [entry("image", [2], "BYTES", 2 * len(picture))]}
    answer = send(ask, "digits", table, picture * 2)
    logits = np.array(json.loads(answer.body)["outputs"][0]["data"]).reshape(2, 10)
    assert logits.argmax(axis=1).tolist() == [7, 7]
    text = element("Grüße".encode()) + element(b"")
    table = {"inputs": [entry("tokens", [2], "BYTES", len(text))]}
    answer = send(ask, "words", table, text)
    echo = json.loads(answer.body)["outputs"][0]["data"]
    assert echo[0] > 0
    assert echo[1:] == [0.0] * 7


def test_classes_are_bytes_with_their_lengths(ask: Ask) -> None:
    picture = element(SEVEN.read_bytes())
    asked = {"name": "logits", "parameters": {"classification": 1, "binary_data": True}}
    table = {"inputs": [entry("image", [1], "BYTES", len(picture))], "outputs": [asked]}
    answer = send(ask, "digits", table, picture)
    binary = answer.body[int(dict(answer.headers)[LENGTH]) :]
    assert struct.unpack("<I", binary[:4])[0] == len(binary) - 4
    assert binary.endswith(b":7:7")


def test_a_body_without_json_is_the_only_input(ask: Ask) -> None:
    rows = np.float32([[5.1, 3.5, 0.2], [6.0, 3.0, 1.5]])
    answer = ask("POST", "/v2/models/iris/infer", rows.tobytes(), {LENGTH: "0"})
    length = int(dict(answer.headers)[LENGTH])
    assert json.loads(answer.body[:length])["outputs"][0]["shape"] == [2]
    assert len(answer.body) == length + 8
    answer = ask("POST", "/v2/models/digits/infer", SEVEN.read_bytes(), {LENGTH: "0"})
    logits = np.frombuffer(answer.body[int(dict(answer.headers)[LENGTH]) :], np.float32)
    assert int(logits.argmax()) == 7


@pytest.mark.parametrize(
    ("size", "binary", "message"),
    [
        (12, b"x" * 8, "binary_data_size 12; 8 bytes are left"),
        (8, b"x" * 8, "has 8 bytes; shape [1, 3] of FP32 takes 12"),
        (12, b"x" * 13, "1 bytes of the body are left"),
        (-1, b"x" * 12, "binary_data_size -1"),
        (12.0, b"x" * 12, "binary_data_size 12.0"),
        (12, np.float32([1, np.nan, 3]).tobytes(), "is nan; it must be a finite float32"),
    ],
)
def test_a_wrong_size_or_number_is_told(ask: Ask, size: Any, binary: bytes, message: str) -> None:
    answer = send(ask, "iris", {"inputs": [entry("features", [1, 3], "FP32", size)]}, binary)
    assert answer.status == 400
    assert message in json.loads(answer.body)["error"]


@pytest.mark.parametrize(
    ("binary", "message"),
    [
        (b"\x05\x00\x00\x00ab", "element 0 ends after its 6 bytes"),
        (b"\x01\x00", "element 0 ends after its 2 bytes"),
        (element(b"a") + element(b"b"), "holds 2 elements; its shape says [1]"),
        (element(b"\xff"), "not UTF-8"),
    ],
)
def test_elements_must_fit_their_lengths(ask: Ask, binary: bytes, message: str) -> None:
    answer = send(ask, "words", {"inputs": [entry("tokens", [1], "BYTES", len(binary))]}, binary)
    assert answer.status == 400
    assert message in json.loads(answer.body)["error"]


def test_a_boolean_is_0_or_1(ask: Ask) -> None:
    dtypes = ["UINT8", "INT8", "INT16", "INT32", "UINT32", "INT64", "FP16", "FP32", "FP64"]
    inputs = [entry("in_bool", [1, 2], "BOOL", 2)]
    for datatype in dtypes:
        dtype = np.dtype(DTYPES[datatype])
        inputs.append(entry(f"in_{dtype}", [1, 2], datatype, 2 * dtype.itemsize))
    answer = send(ask, "every", {"inputs": inputs}, b"\x01\x02" + bytes(100))
    assert b"a BOOL is 0 or 1" in answer.body


def test_the_same_json_goes_with_other_tensors_and_other_json_with_the_same(ask: Ask) -> None:
    """What was read of one request's JSON is kept for the next."""
    table: dict[str, Any] = {"inputs": PAIR, "parameters": {"binary_data_output": True}}
    for factor in (1, 2, 3):
        left, right = LEFT * factor, RIGHT * factor
        answer = send(ask, "pair", table, right.tobytes() + left.tobytes())
        length = int(dict(answer.headers)[LENGTH])
        rows, total = (left + right).sum(axis=1), left + right
        assert answer.body[length:] == rows.tobytes() + total.tobytes()
        assert "id" not in json.loads(answer.body[:length])
    one = [entry("right", [1, 1], "FP32", 4), entry("left", [1, 3], "FP32", 12)]
    answer = send(ask, "pair", {**table, "inputs": one}, RIGHT[:1].tobytes() + LEFT[:1].tobytes())
    length = int(dict(answer.headers)[LENGTH])
    assert [each["shape"] for each in json.loads(answer.body[:length])["outputs"]] == [[1], [1, 3]]
    for name in ("a", "b"):
        answer = send(ask, "pair", {**table, "id": name}, RIGHT.tobytes() + LEFT.tobytes())
        assert json.loads(answer.body[: int(dict(answer.headers)[LENGTH])])["id"] == name
    answer = send(ask, "pair", table, RIGHT.tobytes())
    assert b"input 'left' has binary_data_size 24; 0 bytes are left" in answer.body


def test_many_different_requests_are_not_kept_for_ever() -> None:
    heads = Heads()
    asked = Asked((), Wanted(None, ()), False)
    for i in range(1000):
        heads.keep_asked(b"%d" % i, asked)
    heads.keep_asked(b"x" * 5000, asked)
    assert heads.asked(b"999") is asked
    assert heads.asked(b"0") is None
    assert heads.asked(b"x" * 5000) is None


@pytest.mark.parametrize("length", ["-1", "1.5", "9999", "abc", ""])
def test_the_length_of_the_json_must_be_one(ask: Ask, length: str) -> None:
    answer = ask("POST", "/v2/models/iris/infer", b"{}", {LENGTH: length})
    assert answer.status == 400
    assert b"inference-header-content-length" in answer.body


def test_a_body_without_json_must_fit_one_input(ask: Ask) -> None:
    answer = ask("POST", "/v2/models/iris/infer", b"x" * 13, {LENGTH: "0"})
    assert b"the body is 13 bytes; the model takes (N, 3) float32, 12 bytes a sample" in answer.body
    answer = ask("POST", "/v2/models/pair/infer", b"x" * 12, {LENGTH: "0"})
    assert b"for models of one input; this one has left, right" in answer.body


def test_a_compressed_body_is_refused_by_name(ask: Ask) -> None:
    answer = ask("POST", "/v2/models/iris/infer", b"x", {"content-encoding": "gzip"})
    assert answer.status == 400
    assert b"compressed (gzip)" in answer.body
