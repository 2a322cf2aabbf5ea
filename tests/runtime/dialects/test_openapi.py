"""The document at /openapi.json: made from the models, and true of this server's own answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from twite.server.exchange import Answer

Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def document(ask: Ask) -> Any:
    answer = ask("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.content_type == "application/json"
    return json.loads(answer.body)


def schema(document: Any, path: str, part: str, media: str = "application/json") -> Any:
    operation = document["paths"][path]["post"]
    found = operation["requestBody"] if part == "request" else operation["responses"][part]
    return found["content"][media]["schema"]


def test_every_path_answers_as_documented(ask: Ask, document: Any) -> None:
    for path, methods in document["paths"].items():
        answer = ask("GET", path)
        assert answer.status == (200 if "get" in methods else 405), path


def test_every_model_has_its_paths(document: Any) -> None:
    for name in ("iris", "digits", "every", "pair", "words"):
        for path in ("/predict/{}", "/v1/models/{}:predict", "/v2/models/{}/infer"):
            assert path.format(name) in document["paths"]
    assert "/predict" not in document["paths"]
    assert "/v2/models/digits/report" in document["paths"]
    assert "/v2/models/pair/report" not in document["paths"]


def test_every_schema_is_a_json_schema(document: Any) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            bodies = operation.get("requestBody", {}).get("content", {}).values()
            for body in bodies:
                Draft202012Validator.check_schema(body["schema"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/iris", {"features": [5.1, 3.5, 0.2]}),
        ("/predict/iris", {"features": [[5.1, 3.5, 0.2]]}),
        ("/predict/iris", {"inputs": {"features": [[5.1, 3.5, 0.2]]}}),
        ("/predict/words", {"text": "hello"}),
        ("/predict/words", {"text": ["hello", "you"]}),
        ("/predict/digits", {"features": [[[7]] * 28] * 28}),
        ("/v1/models/iris:predict", {"instances": [[5.1, 3.5, 0.2]]}),
        ("/v1/models/words:predict", {"inputs": {"tokens": "hello"}}),
        ("/v1/models/pair:predict", {"instances": [{"left": [1, 2, 3], "right": [1]}]}),
        ("/predict/several", {"inputs": {"x": [[1, 0, 2]]}}),
        (
            "/v1/models/several:predict",
            {"signature_name": "embed", "instances": [{"x": [1, 0, 2], "scale": [3]}]},
        ),
        (
            "/v2/models/several/infer",
            {
                "inputs": [
                    {"name": "numbers", "shape": [1, 2], "datatype": "INT32", "data": [1, 2]}
                ],
                "parameters": {"signature": "one"},
            },
        ),
        (
            "/v2/models/iris/infer",
            {
                "inputs": [
                    {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
                ]
            },
        ),
    ],
)
def test_a_request_and_its_answer_fit_the_schemas(
    ask: Ask, document: Any, path: str, body: object
) -> None:
    Draft202012Validator(schema(document, path, "request")).validate(body)
    answer = ask("POST", path, body)
    assert answer.status == 200, answer.body
    Draft202012Validator(schema(document, path, "200")).validate(json.loads(answer.body))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/iris", {"features": [5.1, 3.5]}),
        ("/predict/iris", {"features": [5.1, 3.5, "x"]}),
        ("/predict/digits", {"features": [[[256]] * 28] * 28}),
        ("/v1/models/iris:predict", {"instances": []}),
        ("/v1/models/iris:predict", {"instances": [[1, 2, 3]], "inputs": [[1, 2, 3]]}),
        ("/v2/models/iris/infer", {"inputs": []}),
        ("/v1/models/several:predict", {"signature_name": "emb", "instances": [[1, 0, 2]]}),
    ],
)
def test_what_the_schema_refuses_the_server_refuses(
    ask: Ask, document: Any, path: str, body: object
) -> None:
    assert not Draft202012Validator(schema(document, path, "request")).is_valid(body)
    assert ask("POST", path, body).status == 400


def test_the_content_types_are_those_of_the_bundle(document: Any) -> None:
    def content(name: str) -> list[str]:
        return sorted(document["paths"][f"/predict/{name}"]["post"]["requestBody"]["content"])

    assert content("iris") == ["application/json", "application/x-npy"]
    assert content("words") == ["application/json", "application/x-npy", "text/plain"]
    assert content("pair") == ["application/json"]
    assert "multipart/form-data" in content("digits")
    (top_k,) = document["paths"]["/predict/digits"]["post"]["parameters"]
    assert top_k["name"] == "top_k"


def test_signatures_are_named_where_a_model_has_several(document: Any) -> None:
    (signature,) = document["paths"]["/predict/several"]["post"]["parameters"]
    assert signature["name"] == "signature"
    assert signature["schema"]["enum"] == ["serving_default", "embed", "one"]
    assert "parameters" not in document["paths"]["/predict/iris"]["post"]
