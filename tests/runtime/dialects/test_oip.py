"""The Open Inference Protocol v2 as JSON."""

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twite.errors import NotReady
from twite.repository import Repository
from twite.server.app import make_app
from twite.server.exchange import Answer, Request

SEVEN = Path(__file__).parents[3] / "examples/digits/seven.png"
Ask = Callable[..., Answer]


def tensor(name: str, shape: list[int], datatype: str, data: object) -> dict[str, object]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


ROW = tensor("features", [1, 3], "FP32", [5.1, 3.5, 0.2])
LEFT = tensor("left", [2, 3], "FP32", [1, 2, 3, 4, 5, 6])
RIGHT = tensor("right", [2, 1], "FP32", [10, 20])


def infer(ask: Ask, model: str, *inputs: object, **more: object) -> Any:
    answer = ask("POST", f"/v2/models/{model}/infer", {"inputs": inputs, **more})
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def refused(ask: Ask, model: str, body: object, status: int = 400) -> str:
    answer = ask("POST", f"/v2/models/{model}/infer", body)
    assert answer.status == status, answer.body
    table = json.loads(answer.body)
    assert list(table) == ["error"]
    return str(table["error"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/health/live", b'{"live":true}'),
        ("/v2/health/ready", b'{"ready":true}'),
        ("/v2/models/iris/ready", b'{"name":"iris","ready":true}'),
        ("/v2/models/iris/versions/1/ready", b'{"name":"iris","ready":true}'),
        (
            "/v2/models",
            b'{"models":["iris","digits","every","pair","words","grey","whole","spots","several"]}',
        ),
        (
            "/v2/models/pair",
            (
                b'{"name":"pair","versions":["3"],"platform":"litert_tflite","inputs":['
                b'{"name":"left","datatype":"FP32","shape":[-1,3]},'
                b'{"name":"right","datatype":"FP32","shape":[-1,1]}],"outputs":['
                b'{"name":"rows","datatype":"FP32","shape":[-1]},'
                b'{"name":"total","datatype":"FP32","shape":[-1,3]}]}'
            ),
        ),
    ],
)
def test_health_and_metadata_to_the_byte(ask: Ask, path: str, body: bytes) -> None:
    answer = ask("GET", path)
    assert (answer.status, answer.body) == (200, body)


def test_the_models_are_listed(ask: Ask, repository: Repository) -> None:
    names = [served.name for served in repository.models]
    assert json.loads(ask("GET", "/v2/models").body) == {"models": names}


def test_the_server_names_its_extensions(ask: Ask) -> None:
    table = json.loads(ask("GET", "/v2").body)
    assert table["name"] == "twite"
    assert "binary_tensor_data" in table["extensions"]


def test_an_inference_to_the_byte(ask: Ask) -> None:
    answer = ask("POST", "/v2/models/pair/infer", {"id": "a7", "inputs": [LEFT, RIGHT]})
    assert answer.body == (
        b'{"model_name":"pair","model_version":"3","outputs":[{"name":"rows","shape":[2],'
        b'"datatype":"FP32","data":[36.0,75.0]},{"name":"total","shape":[2,3],"datatype":"FP32",'
        b'"data":[11.0,12.0,13.0,24.0,25.0,26.0]}],"id":"a7"}'
    )


def test_outputs_come_in_the_order_asked_for(ask: Ask) -> None:
    found = infer(ask, "pair", RIGHT, LEFT, outputs=[{"name": "total"}])
    assert [output["name"] for output in found["outputs"]] == ["total"]


def test_nested_data_is_flat_data(ask: Ask) -> None:
    nested = {**LEFT, "data": [[1, 2, 3], [4, 5, 6]]}
    assert infer(ask, "pair", nested, RIGHT) == infer(ask, "pair", LEFT, RIGHT)


def test_every_dtype_comes_back(ask: Ask) -> None:
    numbers: dict[str, tuple[str, list[Any]]] = {
        "bool": ("BOOL", [True, False]),
        "uint8": ("UINT8", [0, 255]),
        "int8": ("INT8", [-128, 127]),
        "int16": ("INT16", [-32768, 32767]),
        "int32": ("INT32", [-(2**31), 2**31 - 1]),
        "uint32": ("UINT32", [0, 2**32 - 1]),
        "int64": ("INT64", [-(2**63), 2**63 - 1]),
        "float32": ("FP32", [0.5, -3.0e38]),
        "float64": ("FP64", [0.1, 1e300]),
    }
    inputs = [tensor(f"in_{d}", [1, 2], kind, data) for d, (kind, data) in numbers.items()]
    outputs = [{"name": f"out_{dtype}"} for dtype in numbers]
    message = refused(ask, "every", {"inputs": inputs, "outputs": outputs})
    assert "lacks the input 'in_float16'" in message
    half = np.float16([0.5, -2.0]).tobytes()
    body = {"inputs": [*inputs, {**tensor("in_float16", [1, 2], "FP16", None)}], "outputs": outputs}
    assert "FP16 cannot travel as JSON" in refused(ask, "every", body)
    body["inputs"][-1]["parameters"] = {"binary_data_size": 4}
    text = json.dumps(body).encode()
    headers = {"inference-header-content-length": str(len(text))}
    answer = ask("POST", "/v2/models/every/infer", text + half, headers)
    assert answer.status == 200, answer.body
    found = {output["name"]: output for output in json.loads(answer.body)["outputs"]}
    for dtype, (kind, data) in numbers.items():
        assert found[f"out_{dtype}"]["datatype"] == kind
        assert found[f"out_{dtype}"]["shape"] == [1, 1, 2]
        assert found[f"out_{dtype}"]["data"] == np.array(data, dtype).tolist()


def test_a_picture_is_bytes_pixels_or_the_tensor_itself(ask: Ask) -> None:
    pixels = np.asarray(Image.open(SEVEN).convert("L").resize((28, 28)))
    picture = b64encode(SEVEN.read_bytes()).decode()
    sent = {
        "BYTES": tensor("image", [1], "BYTES", [picture]),
        "UINT8": tensor("image", [1, 28, 28, 1], "UINT8", pixels.ravel().tolist()),
        "FP32": tensor("image", [1, 28, 28, 1], "FP32", (pixels / 255).ravel().tolist()),
    }
    for datatype, input_ in sent.items():
        logits = infer(ask, "digits", input_)["outputs"][0]["data"]
        assert int(np.argmax(logits)) == 7, datatype
    by_hand = infer(ask, "digits", sent["FP32"])["outputs"][0]["data"]
    assert by_hand == infer(ask, "digits", sent["UINT8"])["outputs"][0]["data"]


def test_classification_answers_the_best_labels(ask: Ask) -> None:
    input_ = tensor("image", [1], "BYTES", [b64encode(SEVEN.read_bytes()).decode()])
    asked = [{"name": "logits", "parameters": {"classification": 2}}]
    output = infer(ask, "digits", input_, outputs=asked)["outputs"][0]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    confidence, index, label = output["data"][0].split(":")
    assert (index, label) == ("7", "7")
    assert float(confidence) > 0.9


def test_text_is_bytes(ask: Ask) -> None:
    found = infer(ask, "words", tensor("tokens", [2], "BYTES", ["Hello hello", "ä"]))
    echo = np.array(found["outputs"][0]["data"]).reshape(2, 4)
    assert echo[0, 0] == echo[0, 1] > 0
    assert echo[:, 2:].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "feature"}, "no input 'feature'; did you mean 'features'?"),
        ({"datatype": "FP64"}, "datatype 'FP64'; it takes FP32"),
        ({"datatype": None}, "it takes FP32"),
        ({"datatype": ["FP32"]}, "it takes FP32"),
        ({"shape": [3]}, "input 'features' is (3,) float32; the model takes (N, 3) float32"),
        ({"shape": [1, 4]}, "its shape says (1, 4)"),
        ({"shape": [-1, 3]}, "must be a list of whole numbers"),
        ({"shape": [0, 3], "data": []}, "holds no numbers"),
        ({"shape": [], "data": []}, "its shape says ()"),
        ({"shape": [], "data": [1]}, "is () float32; the model takes (N, 3) float32"),
        ({"shape": [True, 3]}, "must be a list of whole numbers"),
        ({"shape": [2**40, 2**40]}, "must be a list of whole numbers"),
        ({"shape": None}, "must be a list of whole numbers"),
        ({"data": [5.1, 3.5, "0.2"]}, "holds the text '0.2'; it must hold numbers"),
        ({"data": [5.1, 3.5, True]}, "holds booleans; the model takes numbers"),
        ({"data": [5.1, 3.5, None]}, "holds null"),
        ({"data": [5.1, 3.5, 1e39]}, "must be a finite float32"),
        ({"data": [5.1, 3.5, 10**400]}, "number"),
        ({"data": [[5.1, 3.5], [0.2]]}, "its shape says (1, 3)"),
        ({"data": "AAAA"}, "it must be a list"),
        ({"data": None}, "it must be a list"),
        ({"parameters": {"binary_data_size": 12}}, "0 bytes are left"),
        ({"parameters": 7}, "parameters is 7"),
    ],
)
def test_a_wrong_input_is_told_what_was_wanted(
    ask: Ask, change: dict[str, object], message: str
) -> None:
    assert message in refused(ask, "iris", {"inputs": [{**ROW, **change}]})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b"{nonsense", "not JSON"),
        (b'{"inputs": [NaN]}', "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"\xff{}", "JSON"),
        ([], "the body is a list of 0; it must be a JSON object"),
        ({}, "inputs is null; it must be a list of objects"),
        ({"inputs": []}, "inputs is empty"),
        ({"inputs": [7]}, "it must be a list of objects"),
        ({"inputs": [ROW, ROW]}, "input 'features' comes twice"),
        ({"inputs": [ROW], "id": 7}, "id is 7; it must be text"),
        ({"inputs": [ROW], "outputs": []}, "outputs is empty"),
        ({"inputs": [ROW], "outputs": [{"name": "x"}]}, "no output 'x'; known are prediction"),
        (
            {
                "inputs": [ROW],
                "outputs": [{"name": "prediction", "parameters": {"classification": 1}}],
            },
            "has no classes",
        ),
    ],
)
def test_a_wrong_body_is_told_what_was_wanted(ask: Ask, body: object, message: str) -> None:
    assert message in refused(ask, "iris", body)


def test_inputs_must_count_the_same_samples(ask: Ask) -> None:
    one = tensor("right", [1, 1], "FP32", [10])
    message = refused(ask, "pair", {"inputs": [LEFT, one]})
    assert "differ in their number of samples: 'left' 2, 'right' 1" in message


def test_more_samples_than_one_request_may_hold_are_refused(ask: Ask) -> None:
    rows = tensor("features", [1025, 3], "FP32", [1.0] * 3075)
    message = refused(ask, "iris", {"inputs": [rows]}, 413)
    assert "1025 samples came; one request may have 1024" in message


def test_words_that_are_none_never_reach_the_engine(ask: Ask) -> None:
    row = tensor("tokens", [1, 4], "INT32", [1, 2, 3, 100])
    assert "the word number 100 came" in refused(ask, "words", {"inputs": [row]})


def test_an_unknown_model_version_or_path_is_404(ask: Ask) -> None:
    for path in ("/v2/models/irsi", "/v2/models/iris/versions/2", "/v2/models/iris/x", "/v2/x"):
        assert ask("GET", path).status == 404, path
    assert refused(ask, "irsi", {"inputs": [ROW]}, 404).endswith("did you mean 'iris'?")


def test_another_method_is_405_and_names_the_one(ask: Ask) -> None:
    for method, path in (("GET", "/v2/models/iris/infer"), ("POST", "/v2/models/iris")):
        answer = ask(method, path)
        assert answer.status == 405
        assert dict(answer.headers)["allow"] == ("GET" if method == "POST" else "POST")


def test_the_report_comes_from_the_bundle_and_may_load_nothing(ask: Ask, bundles: Path) -> None:
    answer = ask("GET", "/v2/models/digits/report")
    assert answer.body == (bundles / "digits/report.html").read_bytes()
    assert answer.content_type.startswith("text/html")
    assert "default-src 'none'" in dict(answer.headers)["content-security-policy"]
    assert ask("GET", "/v2/models/pair/report").status == 404


def test_nothing_is_ready_before_the_models_are() -> None:
    import asyncio

    app = make_app(Repository())
    for path in ("/v2/health/ready", "/v2/models/iris/ready"):
        answer = asyncio.run(app(Request("GET", path, {})))
        assert answer.status == 503
        assert json.loads(answer.body)["ready"] is False
    answer = asyncio.run(app(Request("GET", "/v2/models/iris", {})))
    assert answer.status == NotReady.status
    assert dict(answer.headers)["retry-after"] == "1"
