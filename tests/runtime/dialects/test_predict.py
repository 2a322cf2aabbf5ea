"""The plain dialect's paths and questions beyond `POST /predict`."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twite.server.exchange import Answer

SEVEN = Path(__file__).parents[3] / "examples/digits/seven.png"
PNG = {"content-type": "image/png"}
Ask = Callable[..., Answer]


def classes(ask: Ask, query: str) -> list[dict[str, Any]]:
    answer = ask("POST", "/predict/digits", SEVEN.read_bytes(), PNG, query)
    assert answer.status == 200, answer.body
    return list(json.loads(answer.body)["prediction"])


def test_a_model_is_named_in_the_path(ask: Ask) -> None:
    assert classes(ask, "")[0]["class"] == "7"
    answer = ask("POST", "/predict/pair", {"inputs": {"left": [[1, 2, 3]], "right": [[1]]}})
    assert json.loads(answer.body)["prediction"] == {"rows": [9.0], "total": [[2.0, 3.0, 4.0]]}
    assert b"name one of them" in ask("POST", "/predict", {"features": [1, 2, 3]}).body
    assert ask("POST", "/predict/irsi", {}).status == 404
    assert dict(ask("GET", "/predict/iris").headers)["allow"] == "POST"


@pytest.mark.parametrize(("query", "count"), [("", 3), ("top_k=1", 1), ("x=1&top_k=99", 10)])
def test_top_k_is_how_many_classes_are_answered(ask: Ask, query: str, count: int) -> None:
    found = classes(ask, query)
    assert len(found) == count
    assert found == sorted(found, key=lambda each: -each["confidence"])


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1.5", "1000001"])
def test_a_wrong_top_k_is_refused(ask: Ask, text: str) -> None:
    answer = ask("POST", "/predict/digits", SEVEN.read_bytes(), PNG, f"top_k={text}")
    assert answer.status == 400
    assert b"it must be a whole number from 1" in answer.body


def test_top_k_is_for_what_has_a_rank(ask: Ask) -> None:
    answer = ask("POST", "/predict/iris", {"features": [1, 2, 3]}, None, "top_k=2")
    assert b"this bundle answers regression" in answer.body


def test_several_pictures_of_a_form_are_a_batch(ask: Ask) -> None:
    form = io.BytesIO()
    for _ in range(3):
        form.write(b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n')
        form.write(SEVEN.read_bytes() + b"\r\n")
    form.write(b"--x--\r\n")
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = ask("POST", "/predict/digits", form.getvalue(), headers, "top_k=1")
    assert [row[0]["class"] for row in json.loads(answer.body)["prediction"]] == ["7"] * 3
