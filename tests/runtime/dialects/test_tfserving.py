"""TensorFlow Serving's REST API and KServe's v1 protocol, to the byte."""

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.repository import Repository
from twite.server.exchange import Answer

SEVEN = Path(__file__).parents[3] / "examples/digits/seven.png"
PICTURE = {"b64": b64encode(SEVEN.read_bytes()).decode()}
Ask = Callable[..., Answer]


def predict(ask: Ask, model: str, body: object) -> Any:
    answer = ask("POST", f"/v1/models/{model}:predict", body)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


STATUS = (
    b'{"name":"iris","ready":true,"model_version_status":[{"version":"1","state":"AVAILABLE",'
    b'"status":{"error_code":"OK","error_message":""}}]}'
)


@pytest.mark.parametrize("path", ["", "/versions/1", "/labels/stable"])
def test_one_status_satisfies_both_protocols(ask: Ask, path: str) -> None:
    answer = ask("GET", f"/v1/models/iris{path}")
    assert (answer.status, answer.body) == (200, STATUS)


def test_the_models_are_listed(ask: Ask, repository: Repository) -> None:
    names = [served.name for served in repository.models]
    assert json.loads(ask("GET", "/v1/models").body) == {"models": names}


def test_the_metadata_is_a_signature(ask: Ask) -> None:
    assert ask("GET", "/v1/models/words/versions/3/metadata").body == (
        b'{"model_spec":{"name":"words","signature_name":"","version":"3"},"metadata":'
        b'{"signature_def":{"signature_def":{"serving_default":{"inputs":{"tokens":{"name":'
        b'"tokens","dtype":"DT_INT32","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":'
        b'"4","name":""}],"unknown_rank":false}}},"outputs":{"echo":{"name":"echo","dtype":'
        b'"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"4","name":""}],'
        b'"unknown_rank":false}}},"method_name":"tensorflow/serving/predict"}}}}}'
    )


def test_rows_of_several_inputs_have_names_and_so_have_their_answers(ask: Ask) -> None:
    rows = [{"left": [1, 2, 3], "right": [10]}, {"right": [20], "left": [4, 5, 6]}]
    answer = ask("POST", "/v1/models/pair:predict", {"instances": rows})
    assert answer.body == (
        b'{"predictions":[{"rows":36.0,"total":[11.0,12.0,13.0]},'
        b'{"rows":75.0,"total":[24.0,25.0,26.0]}]}'
    )


def test_columns_are_answered_by_columns(ask: Ask) -> None:
    columns = {"left": [[1, 2, 3], [4, 5, 6]], "right": [[10], [20]]}
    answer = ask("POST", "/v1/models/pair:predict", {"inputs": columns})
    assert answer.body == (
        b'{"outputs":{"rows":[36.0,75.0],"total":[[11.0,12.0,13.0],[24.0,25.0,26.0]]}}'
    )


def test_an_only_input_and_output_need_no_names(ask: Ask) -> None:
    row = [5.1, 3.5, 0.2]
    expected = predict(ask, "iris", {"instances": [row]})["predictions"]
    assert len(expected) == 1
    for body in ({"instances": [{"features": row}]}, {"instances": [row], "signature_name": ""}):
        assert predict(ask, "iris", body) == {"predictions": expected}
    for columns in ([row], {"features": [row]}):
        body = {"inputs": columns, "signature_name": "serving_default"}
        assert predict(ask, "iris", body) == {"outputs": expected}
    answer = ask("POST", "/v1/models/iris/versions/1:predict", {"instances": [row]})
    assert json.loads(answer.body) == {"predictions": expected}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [PICTURE]},
        {"instances": [{"image": PICTURE}]},
        {"inputs": PICTURE},
        {"inputs": {"image": [PICTURE]}},
        {"inputs": {"image": PICTURE}},
    ],
)
def test_a_picture_is_base64(ask: Ask, body: dict[str, object]) -> None:
    table = predict(ask, "digits", body)
    (scores,) = table.get("predictions") or table["outputs"]
    assert int(np.argmax(scores)) == 7


def test_a_text_is_a_text_or_base64(ask: Ask) -> None:
    plain = predict(ask, "words", {"instances": ["Grüße", "b"]})
    coded = [{"b64": b64encode(text.encode()).decode()} for text in ("Grüße", "b")]
    assert predict(ask, "words", {"instances": coded}) == plain
    named = predict(ask, "words", {"instances": [{"tokens": "Grüße"}]})
    assert named["predictions"] == plain["predictions"][:1]


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        ("iris", {}, "neither of 'instances' and 'inputs'"),
        ("iris", {"instances": [[1, 2, 3]], "inputs": [[1, 2, 3]]}, "both of"),
        ("iris", {"instances": []}, "a list of at least one"),
        ("iris", {"instances": 7}, "instances is 7"),
        ("iris", {"instances": [[1, 2]]}, "is (1, 2) float32; the model takes (N, 3) float32"),
        ("iris", {"instances": [1, 2, 3]}, "is (3,) float32"),
        ("iris", {"instances": [[1, 2, 3], [1, 2]]}, "its shape says (2, 3)"),
        ("iris", {"instances": [[1, 2, "x"]]}, "holds the text 'x'"),
        ("iris", {"instances": [[1, 2, True]]}, "holds booleans"),
        ("iris", {"instances": [PICTURE]}, "holds an object"),
        ("iris", {"instances": [{"feature": [1, 2, 3]}]}, "did you mean 'features'?"),
        ("iris", {"instances": [[1, 2, 3]], "signature_name": "x"}, "no signature 'x'"),
        ("iris", b"[]", "it must be a JSON object"),
        ("pair", {"instances": [[1, 2, 3]]}, "it must be an object with left, right"),
        ("pair", {"instances": [{"left": [1, 2, 3]}]}, "instances[0] lacks the input 'right'"),
        ("pair", {"instances": [{"left": [1, 2, 3], "right": [1]}, 7]}, "instances[1] is 7"),
        ("pair", {"inputs": [[1, 2, 3]]}, "it must be an object with left, right"),
        ("digits", {"instances": [{"b64": "!"}]}, "bad base64"),
        ("digits", {"instances": [{"b64": 7}]}, "it must hold"),
        ("digits", {"instances": [PICTURE, [1]]}, "it must hold"),
        ("digits", {"instances": [{"b64": "AAAA"}]}, "the picture cannot be read"),
        ("digits", {"instances": ["AAAA"]}, "it must hold"),
        ("digits", {"instances": [PICTURE] * 101}, "send at most 100"),
    ],
)
def test_a_wrong_body_is_told_what_was_wanted(
    ask: Ask, model: str, body: object, message: str
) -> None:
    answer = ask("POST", f"/v1/models/{model}:predict", body)
    assert answer.status == 400, answer.body
    table = json.loads(answer.body)
    assert list(table) == ["error"]
    assert message in table["error"]


@pytest.mark.parametrize(
    "path",
    ["irsi", "iris/versions/2", "iris/labels/canary", "iris/x", "iris:classify", "iris/metadata:x"],
)
def test_what_is_not_there_is_404(ask: Ask, path: str) -> None:
    answer = ask("GET" if ":" not in path else "POST", f"/v1/models/{path}")
    assert answer.status == 404
    assert list(json.loads(answer.body)) == ["error"]


def test_another_method_is_405(ask: Ask) -> None:
    assert ask("GET", "/v1/models/iris:predict").status == 405
    assert ask("POST", "/v1/models/iris").status == 405
    assert ask("DELETE", "/v1/models").status == 405
