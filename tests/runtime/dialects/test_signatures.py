"""Models of several signatures in every dialect."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twite.server.exchange import Answer

Ask = Callable[..., Answer]

X = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 0, 2]}
SCALE = {"name": "scale", "shape": [1, 1], "datatype": "FP32", "data": [3]}
EMBEDDING = [33.0, 42.0]


def answered(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def refused(answer: Answer, status: int) -> str:
    assert answer.status == status, answer.body
    return str(json.loads(answer.body)["error"])


def infer(ask: Ask, inputs: list[Any], **more: object) -> Answer:
    return ask("POST", "/v2/models/several/infer", {"inputs": inputs, **more})


def test_plain_requests_name_it_in_the_query(ask: Ask) -> None:
    body = {"inputs": {"x": [1, 0, 2], "scale": [3]}}
    found = answered(ask("POST", "/predict/several", body, query="signature=embed"))
    assert found["prediction"]["embedding"] == EMBEDDING
    numbers = {"features": [[1, 2], [3, 4], [5, 6]]}
    found = answered(ask("POST", "/predict/several", numbers, query="a=b&signature=one"))
    assert found == {"prediction": {"next": [[2, 3], [4, 5], [6, 7]]}}
    row = {"features": {"a": 1, "b": 0, "c": 2}}
    main = answered(ask("POST", "/predict/several", row))
    for query in ("signature=serving_default", "signature=serving%5Fdefault", "signature="):
        assert answered(ask("POST", "/predict/several", row, query=query)) == main


def test_plain_requests_for_an_unknown_one_are_told_the_known(ask: Ask) -> None:
    message = refused(ask("POST", "/predict/several", {}, query="signature=x"), 404)
    assert message == (
        "model 'several': there is no signature 'x'; known are serving_default, embed, one"
    )
    message = refused(ask("POST", "/predict/iris", {}, query="signature=x"), 404)
    assert message == "model 'iris': there is no signature 'x'; known are serving_default"
    message = refused(ask("POST", "/predict/several", {}, query="signature=one&top_k=2"), 400)
    assert "this bundle answers tensors" in message


def test_open_inference_requests_name_it_in_their_parameters(ask: Ask) -> None:
    found = answered(infer(ask, [X, SCALE], parameters={"signature": "embed"}))
    assert [output["name"] for output in found["outputs"]] == ["embedding", "rows", "same"]
    assert found["outputs"][0]["data"] == EMBEDDING
    main = answered(infer(ask, [X]))
    assert main["outputs"][0]["name"] == "scores"
    assert answered(infer(ask, [X], parameters={"signature": "serving_default"})) == main
    assert answered(infer(ask, [X], parameters={"signature": ""})) == main


def test_binary_open_inference_requests_name_it_too(ask: Ask) -> None:
    tensors = [np.float32([[1, 0, 2]]).tobytes(), np.float32([[3]]).tobytes()]
    inputs = []
    for table, content in zip((X, SCALE), tensors, strict=True):
        size = {"parameters": {"binary_data_size": len(content)}}
        inputs.append({key: table[key] for key in ("name", "shape", "datatype")} | size)
    head = json.dumps({"inputs": inputs, "parameters": {"signature": "embed"}}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    body = b"".join([head, *tensors])
    found = answered(ask("POST", "/v2/models/several/infer", body, headers))
    assert found["outputs"][0]["data"] == EMBEDDING
    raw = np.float32([[1, 0, 2]]).tobytes()
    zero = {"inference-header-content-length": "0"}
    assert ask("POST", "/v2/models/several/infer", raw, zero).status == 200


@pytest.mark.parametrize(
    ("model", "parameters", "status", "message"),
    [
        ("several", {"signature": "x"}, 404, "no signature 'x'; known are serving_default, embed"),
        ("iris", {"signature": "x"}, 404, "no signature 'x'; known are serving_default"),
        ("several", {"signature": 7}, 400, "signature is 7; it must be the name of a signature"),
        (
            "several",
            {"signature": None},
            400,
            "signature is null; it must be the name",
        ),
        ("several", {"nested": {"signature": "embed"}}, 400, "write it once, in plain letters"),
    ],
)
def test_open_inference_refuses_what_names_none(
    ask: Ask, model: str, parameters: object, status: int, message: str
) -> None:
    body = {"inputs": [X], "parameters": parameters}
    assert message in refused(ask("POST", f"/v2/models/{model}/infer", body), status)


def test_a_name_spelled_with_escapes_is_refused_and_not_taken_for_another(ask: Ask) -> None:
    body = json.dumps({"inputs": [X], "parameters": {"signature": "embed"}})
    escaped = body.replace('"signature"', '"sign\\u0061ture"').encode()
    message = refused(ask("POST", "/v2/models/several/infer", escaped), 400)
    assert "write it once, in plain letters" in message
    named = body.replace('"embed"', '"\\u0065mbed"').encode()
    message = refused(ask("POST", "/v2/models/several/infer", named), 400)
    assert "the request lacks the input 'scale'" in message


def test_open_inference_metadata_lists_them(ask: Ask) -> None:
    metadata = answered(ask("GET", "/v2/models/several"))
    assert [each["name"] for each in metadata["inputs"]] == ["x"]
    assert metadata["parameters"]["signature"] == "serving_default"
    further = metadata["parameters"]["signatures"]
    assert [each["name"] for each in further["embed"]["inputs"]] == ["scale", "x"]
    assert further["one"]["outputs"] == [{"name": "next", "datatype": "INT32", "shape": [-1, 2]}]
    assert "parameters" not in answered(ask("GET", "/v2/models/iris"))


def test_tensorflow_serving_takes_its_signature_name(ask: Ask) -> None:
    path = "/v1/models/several:predict"
    row = {"x": [1, 0, 2], "scale": [3]}
    found = answered(ask("POST", path, {"signature_name": "embed", "instances": [row]}))
    assert found["predictions"] == [{"embedding": EMBEDDING, "rows": 75.0, "same": EMBEDDING}]
    columns = {"signature_name": "one", "inputs": {"numbers": [[1, 2], [3, 4]]}}
    assert answered(ask("POST", path, columns)) == {"outputs": [[2, 3], [4, 5]]}
    main = answered(ask("POST", path, {"instances": [[1, 0, 2]]}))
    for name in ("", "serving_default"):
        body = {"signature_name": name, "instances": [[1, 0, 2]]}
        assert answered(ask("POST", path, body)) == main


def test_tensorflow_serving_refuses_an_unknown_signature_with_400(ask: Ask) -> None:
    body = {"signature_name": "x", "instances": [[1, 0, 2]]}
    message = refused(ask("POST", "/v1/models/several:predict", body), 400)
    assert "no signature 'x'; known are serving_default, embed, one" in message


def test_tensorflow_serving_metadata_lists_them(ask: Ask) -> None:
    metadata = answered(ask("GET", "/v1/models/several/metadata"))
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert [*signatures] == ["serving_default", "embed", "one"]
    assert [*signatures["embed"]["inputs"]] == ["scale", "x"]
    assert signatures["one"]["outputs"]["next"]["dtype"] == "DT_INT32"


def test_metrics_count_all_signatures_of_a_model(ask: Ask) -> None:
    def count() -> int:
        text = ask("GET", "/metrics").body.decode()
        start = 'twite_inference_requests_total{model_name="several",model_version="3",code="200"}'
        return sum(int(line.split()[-1]) for line in text.splitlines() if line.startswith(start))

    before = count()
    answered(ask("POST", "/predict/several", {"features": [1, 0, 2]}))
    answered(ask("POST", "/predict/several", {"features": [1, 2]}, query="signature=one"))
    assert count() == before + 2
