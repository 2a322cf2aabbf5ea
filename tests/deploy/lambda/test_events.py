"""Every kind of event, through the emulator and awslambdaric."""

import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emulated import Function
from events import balancer, http, rest

ROW = {"features": [5.1, 3.5, 0.2]}
BODY = json.dumps(ROW)


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (ROW, {"prediction": 1.4}),
        ({"features": [[5.1, 3.5, 0.2]] * 2}, {"prediction": [1.4, 1.4]}),
        ({"inputs": {"features": [[5.1, 3.5, 0.2]]}}, {"prediction": [1.4]}),
    ],
    ids=["row", "batch", "inputs"],
)
def test_answers_a_direct_invocation_with_the_dict(
    event: dict[str, Any], answer: dict[str, Any], iris: Function
) -> None:
    assert iris.invoke(event) == answer


@pytest.mark.parametrize("kind", [http, rest, balancer], ids=["http-api", "rest-api", "alb"])
def test_answers_http_events(kind: Any, iris: Function) -> None:
    answer = iris.invoke(kind("POST", "/predict", BODY))
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    assert json.loads(answer["body"]) == {"prediction": 1.4}
    assert answer["isBase64Encoded"] is False


@pytest.mark.parametrize("kind", [http, rest, balancer], ids=["http-api", "rest-api", "alb"])
def test_an_unknown_route_is_a_404(kind: Any, iris: Function) -> None:
    answer = iris.invoke(kind("GET", "/nowhere"))
    assert answer["statusCode"] == 404
    assert "/nowhere" in json.loads(answer["body"])["error"]


def test_a_stage_is_no_part_of_the_path(iris: Function) -> None:
    event = http("POST", "/prod/predict", BODY)
    event["requestContext"]["stage"] = "prod"
    assert iris.invoke(event)["statusCode"] == 200


def test_a_picture_travels_as_base64(digits: Function) -> None:
    seven = Path(__file__).parents[3] / "examples" / "digits" / "seven.png"
    answer = digits.invoke(http("POST", "/predict", seven.read_bytes(), "image/png"))
    assert json.loads(answer["body"])["prediction"][0]["class"] == "7"


def test_an_array_travels_as_base64(digits: Function, bundles: Path) -> None:
    golden = np.load(bundles / "digits" / "golden" / "in.image.npy")
    file = BytesIO()
    np.save(file, golden)
    answer = digits.invoke(http("POST", "/predict", file.getvalue(), "application/x-npy"))
    assert len(json.loads(answer["body"])["prediction"]) == len(golden)


def test_readiness_names_the_model(iris: Function) -> None:
    answer = iris.invoke(http("GET", "/readyz"))
    ready = {"status": "ready", "model": "iris", "version": json.loads(answer["body"])["version"]}
    assert json.loads(answer["body"]) == ready


def test_the_second_invocation_loads_nothing(iris: Function) -> None:
    for event in (ROW, http("POST", "/predict", BODY), rest("POST", "/predict", BODY)):
        iris.invoke({"watch": event})
        again = iris.invoke({"watch": event})
        assert (again["imported"], again["loads"]) == ([], 0)
    assert iris.log().count("golden samples agree") == 1


def test_what_an_event_does_not_need_is_not_imported(start: Any, bundles: Path) -> None:
    function = start({"MODEL_PATH": str(bundles / "iris")})
    assert function.invoke({"watch": ROW})["imported"] == []
    lean = function.invoke({"watch": http("POST", "/predict", BODY)})["imported"]
    assert "twite.server.app" in lean
    assert not {"mangum", "PIL", "boto3", "uvicorn"} & set(lean)
    assert "mangum" in function.invoke({"watch": rest("POST", "/predict", BODY)})["imported"]


def test_several_threads_at_once_get_their_own_answers(iris: Function) -> None:
    rows = [[5.1, 3.5, 0.2], [5.0, 3.0, 1.0], [6.3, 3.3, 2.5], [4.9, 3.1, 0.1]]
    events: list[Any] = [{"features": row} for row in rows]
    alone = [iris.invoke(event)["prediction"] for event in events]
    kinds = (http, rest, balancer)
    mixed = events + [kind("POST", "/predict", json.dumps(e)) for e in events for kind in kinds]
    answers = iris.invoke({"at_once": mixed * 3})
    found = [json.loads(a["body"]) if "body" in a else a for a in answers]
    wanted = alone + [number for number in alone for _ in kinds]
    assert [each["prediction"] for each in found] == wanted * 3


def test_answers_that_are_no_text_are_base64() -> None:
    import gateway
    from twite.server.exchange import Answer

    body = bytes(range(256))
    response = gateway._response(Answer(200, body, "application/octet-stream"))
    assert response["isBase64Encoded"] is True
    assert b64decode(response["body"]) == body
