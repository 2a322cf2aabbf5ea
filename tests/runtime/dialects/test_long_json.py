"""Long lists of numbers in JSON: read in pieces, and answered as if they were parsed in one go."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twite.server import oip_infer
from twite.server.exchange import Answer
from twite.server.long_body import LONG
from twite.server.long_numbers import PIECE, LongNumbers, NotPlain, put_back, set_apart

Ask = Callable[..., Answer]
ROWS = 500
INT64 = "9007199254740993"


def numbers(count: int = 3 * ROWS, gap: int = 50) -> list[str]:
    """Numbers as text, with so much space beside them that the list is a long one."""
    values = np.random.default_rng(1).normal(size=count).round(4).tolist()
    return [" " * gap + repr(value) for value in values]


def request(left: list[str], right: str, more: str = "") -> bytes:
    pair = (("left", 3, ",".join(left)), ("right", 1, right))
    inputs = [
        f'{{"name": "{name}", "datatype": "FP32", "shape": [{ROWS}, {width}], "data": [{data}]}}'
        for name, width, data in pair
    ]
    return f'{{"inputs": [{",".join(inputs)}]{more}}}'.encode()


def both_ways(ask: Ask, monkeypatch: pytest.MonkeyPatch, name: str, body: bytes) -> Answer:
    """The answer to a long body, which must be the one that a parser of all of it gives."""
    assert len(body) > LONG
    pieces = ask("POST", f"/v2/models/{name}/infer", body)
    with monkeypatch.context() as patch:
        patch.setattr(oip_infer, "LONG", 1 << 40)
        whole = ask("POST", f"/v2/models/{name}/infer", body)
    assert (pieces.status, pieces.body) == (whole.status, whole.body)
    return pieces


RIGHT = ",".join(["1"] * ROWS)


def test_the_answer_is_that_of_the_whole(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for right in (RIGHT, ",".join([" " * 200 + "-2.5e-3"] * ROWS)):
        body = request(numbers(), right, ', "id": "an [id], with \\"quotes\\" and brackets ]"')
        answer = both_ways(ask, monkeypatch, "pair", body)
        assert answer.status == 200, answer.body
        assert json.loads(answer.body)["id"] == 'an [id], with "quotes" and brackets ]'
        values = np.array(json.loads(answer.body)["outputs"][0]["data"])
        left = np.array([float(text) for text in numbers()]).reshape(ROWS, 3)
        wanted = (left + float(right.split(",")[0])).sum(axis=1)
        assert np.allclose(values, wanted, atol=1e-5)


def test_the_list_is_not_parsed_with_the_rest(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    parse = oip_infer.parse_object
    monkeypatch.setattr(
        oip_infer, "parse_object", lambda text: parsed.append(len(text)) or parse(text)
    )
    answer = ask("POST", "/v2/models/pair/infer", request(numbers(), RIGHT))
    assert answer.status == 200
    assert max(parsed) < 5000


@pytest.mark.parametrize(
    "wrong",
    [
        "true",
        "null",
        '"1"',
        "[1]",
        "{}",
        "1,",
        ",",
        "",
        "1 2",
        "01",
        "NaN",
        "1e999",
        "-",
        "1e",
        "]",
    ],
)
@pytest.mark.parametrize("place", [0, 777, -1])
def test_what_is_no_number_is_told_as_ever(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, wrong: str, place: int
) -> None:
    left = numbers()
    left[place] = wrong
    assert both_ways(ask, monkeypatch, "pair", request(left, RIGHT)).status == 400


@pytest.mark.parametrize("count", [3 * ROWS - 1, 3 * ROWS + 1])
def test_the_number_of_numbers_must_fit(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    body = request(numbers(count), RIGHT)
    assert both_ways(ask, monkeypatch, "pair", body).status == 400


def test_a_list_in_another_place_is_no_data(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    long_list = ",".join(numbers())
    for more in (f', "parameters": {{"data": [{long_list}]}}', f', "id": "[{long_list}]"'):
        body = request(["1"] * 3 * ROWS, RIGHT, more)
        assert both_ways(ask, monkeypatch, "pair", body).status == 200


def test_the_last_of_two_lists_counts(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    text = request(numbers(), RIGHT).decode()
    twice = text.replace('"shape"', f'"data": [{",".join(numbers(5000))}], "shape"', 1)
    assert both_ways(ask, monkeypatch, "pair", twice.encode()).status == 200


@pytest.mark.parametrize(
    ("kind", "texts", "wanted"),
    [
        ("i", [INT64, "-1", "0"], np.array([int(INT64), -1, 0])),
        ("u", [str(2**64 - 1), "0"], np.array([2**64 - 1, 0], np.uint64)),
        ("f", ["1", "-0.0", "1e3", "0.1"], np.array([1, -0.0, 1e3, 0.1])),
    ],
)
def test_pieces_are_put_together(kind: str, texts: list[str], wanted: Any) -> None:
    times = 3 * PIECE // len(texts)
    text = memoryview(", ".join(texts * times).encode())
    array = LongNumbers(text).read((times, len(texts)), kind, 1 << 40)
    assert array.dtype == wanted.dtype
    assert array.tobytes() == np.tile(wanted, times).tobytes()


@pytest.mark.parametrize(
    ("kind", "text", "count", "most"),
    [
        ("i", "1.0, 2", 2, 10),
        ("i", str(2**63), 1, 10),
        ("u", "-1", 1, 10),
        ("b", "true", 1, 10),
        ("f", "1, 2, 3", 3, 2),
        ("f", "1, 2, 3", 2**40, 2**50),
        ("f", "1" * 3 * PIECE, 1, 10),
        ("f", f"1,{' ' * 2 * PIECE},2", 2, 10),
        ("f", "1, 2" + "," * 2 * PIECE, 2, 10),
    ],
)
def test_what_needs_a_closer_look_is_not_read(kind: str, text: str, count: int, most: int) -> None:
    with pytest.raises(NotPlain):
        LongNumbers(memoryview(text.encode())).read((count,), kind, most)


def test_short_and_nested_lists_are_left_alone() -> None:
    for value in ([1] * 10, [[1, 2]] * LONG, {"a": "x" * LONG}):
        with pytest.raises(NotPlain):
            set_apart(memoryview(json.dumps(value).encode()))


def test_a_mark_that_nobody_holds_is_noticed() -> None:
    text, found = set_apart(memoryview(json.dumps({"data": [1] * LONG}).encode()))
    table = json.loads(text)
    put_back([table], "data", found)
    assert table["data"] in found.values()
    for entries in ([], [{"data": [[1]]}], [{"other": [1]}], None):
        with pytest.raises(NotPlain):
            put_back(entries, "data", found)
