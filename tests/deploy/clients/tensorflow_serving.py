"""requests, as TensorFlow Serving's documentation uses it: `tensorflow_serving.py URL PICTURE`."""

import base64
import json
import sys
from pathlib import Path

import requests


def post(url: str, body: dict) -> dict:
    response = requests.post(url, data=json.dumps(body), timeout=60)
    response.raise_for_status()
    return response.json()


def check_status(url: str) -> None:
    for path in ("/v1/models/iris", "/v1/models/iris/versions/1"):
        status = requests.get(url + path, timeout=60).json()
        assert status["model_version_status"][0]["state"] == "AVAILABLE"
        assert status["ready"] is True
    metadata = requests.get(url + "/v1/models/iris/metadata", timeout=60).json()
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["features"]["dtype"] == "DT_FLOAT"
    assert requests.get(url + "/v1/models", timeout=60).json()["models"][0] == "iris"


def check_rows_and_columns(url: str) -> None:
    rows = [[5.1, 3.5, 0.2], [6.0, 3.0, 1.5]]
    asked = {"signature_name": "serving_default", "instances": rows}
    predictions = post(url + "/v1/models/iris:predict", asked)["predictions"]
    assert len(predictions) == 2
    columns = {"inputs": {"features": rows}}
    assert post(url + "/v1/models/iris/versions/1:predict", columns)["outputs"] == predictions
    pair = [{"left": [1, 2, 3], "right": [1]}]
    (answer,) = post(url + "/v1/models/pair:predict", {"instances": pair})["predictions"]
    assert answer == {"rows": 9.0, "total": [2.0, 3.0, 4.0]}


def check_signatures(url: str) -> None:
    metadata = requests.get(url + "/v1/models/several/metadata", timeout=60).json()
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == {"serving_default", "embed", "one"}
    rows = [{"x": [1, 0, 2], "scale": [3]}]
    asked = {"signature_name": "embed", "instances": rows}
    (answer,) = post(url + "/v1/models/several:predict", asked)["predictions"]
    assert answer["embedding"] == [33.0, 42.0]


def check_base64(url: str, picture: bytes) -> None:
    instance = {"b64": base64.b64encode(picture).decode("utf-8")}
    body = {"instances": [instance, {"image": instance}][:1]}
    (scores,) = post(url + "/v1/models/digits:predict", body)["predictions"]
    assert scores.index(max(scores)) == 7
    named = post(url + "/v1/models/digits:predict", {"instances": [{"image": instance}]})
    assert named["predictions"] == [scores]


def check_errors(url: str) -> None:
    for path, body, status in (
        ("/v1/models/irsi:predict", {"instances": [[1]]}, 404),
        ("/v1/models/iris:predict", {"instances": [[1]]}, 400),
        ("/v1/models/iris:predict", {"instances": [[1, 2, 3]], "signature_name": "x"}, 400),
    ):
        response = requests.post(url + path, json=body, timeout=60)
        assert response.status_code == status
        assert isinstance(response.json()["error"], str)


check_status(sys.argv[1])
check_rows_and_columns(sys.argv[1])
check_signatures(sys.argv[1])
check_base64(sys.argv[1], Path(sys.argv[2]).read_bytes())
check_errors(sys.argv[1])
