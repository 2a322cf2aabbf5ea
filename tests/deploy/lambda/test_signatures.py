"""A model of several signatures as a function: every kind of event can name one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emulated import Function
from events import http, rest

NUMBERS = {"features": [[1, 2], [3, 4]]}
NEXT = {"prediction": {"next": [[2, 3], [4, 5]]}}


@pytest.fixture
def several(start: Callable[..., Function], wire_bundles: list[Path]) -> Function:
    (path,) = [path for path in wire_bundles if path.name == "several"]
    return start({"MODEL_PATH": str(path)})


def test_every_kind_of_event_can_name_a_signature(several: Function) -> None:
    main = several.invoke({"features": [1, 0, 2]})
    assert several.invoke({"features": [1, 0, 2], "signature": "serving_default"}) == main
    assert several.invoke({**NUMBERS, "signature": "one"}) == NEXT
    asked = {"name": "numbers", "shape": [1, 2], "datatype": "INT32", "data": [1, 2]}
    found = several.invoke({"inputs": [asked], "parameters": {"signature": "one"}})
    assert found["outputs"][0]["data"] == [2, 3]
    direct = http("POST", "/predict", json.dumps(NUMBERS)) | {"rawQueryString": "signature=one"}
    through_mangum = rest("POST", "/predict", json.dumps(NUMBERS))
    through_mangum["multiValueQueryStringParameters"] = {"signature": ["one"]}
    for event in (direct, through_mangum):
        answer = several.invoke(event)
        assert (answer["statusCode"], json.loads(answer["body"])) == (200, NEXT)
    body = {"signature_name": "one", "inputs": [[1, 2]]}
    answer = several.invoke(rest("POST", "/v1/models/several:predict", json.dumps(body)))
    assert json.loads(answer["body"]) == {"outputs": [[2, 3]]}


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("x", "NotFound", "there is no signature 'x'; known are serving_default, embed, one"),
        (7, "RequestError", "signature is 7; it must be a name"),
    ],
)
def test_a_direct_event_that_names_no_signature_is_refused(
    several: Function, name: object, kind: str, message: str
) -> None:
    answer: dict[str, Any] = several.invoke({**NUMBERS, "signature": name})
    assert (answer["errorType"], answer["errorMessage"]) == (kind, message)
