"""Models of integers throughout: raw for the Open Inference Protocol, real values for people."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twite.server.exchange import Answer, Request

Ask = Callable[..., Answer]


def infer(ask: Ask, model: str, **tensor: object) -> Any:
    answer = ask("POST", f"/v2/models/{model}/infer", {"inputs": [tensor]})
    assert answer.status == 200, answer.body
    (output,) = json.loads(answer.body)["outputs"]
    return output


def test_integers_reach_the_engine_as_they_came(ask: Ask) -> None:
    metadata = json.loads(ask("GET", "/v2/models/whole").body)
    assert metadata["inputs"] == [{"name": "values", "datatype": "INT8", "shape": [-1, 2]}]
    # 127 stands for 1 and -128 for -0.996; the answers stand for their halves.
    output = infer(ask, "whole", name="values", shape=[1, 2], datatype="INT8", data=[127, -128])
    assert output["datatype"] == "INT8"
    assert output["data"] == [127, -128]


def test_features_are_real_values_and_go_through_preprocessing(ask: Ask) -> None:
    # (12.1 - 10) / 2 is above 1, the most that 127 stands for; 0 is -1.
    output = infer(ask, "whole", name="values", shape=[1, 2], datatype="FP32", data=[12.1, 10.0])
    assert output["data"] == [127, -1]
    plain = json.loads(ask("POST", "/predict/whole", {"features": [[12.1, 10.0]]}).body)
    served = json.loads(ask("POST", "/v1/models/whole:predict", {"instances": [[12.1, 10]]}).body)
    assert plain["prediction"]["half"] == served["predictions"]
    assert served["predictions"][0] == pytest.approx([0.5, 0.0], abs=0.01)


def test_raw_bytes_of_a_quantized_picture_are_the_tensor(ask: Ask) -> None:
    pixels = np.uint8([0, 100, 200, 240])
    output = infer(
        ask, "grey", name="image", shape=[1, 2, 2, 1], datatype="UINT8", data=pixels.tolist()
    )
    assert output["datatype"] == "UINT8"
    assert output["data"] == [135]
    headers = {"inference-header-content-length": "0"}
    answer = ask("POST", "/v2/models/grey/infer", pixels.tobytes(), headers)
    assert answer.body[-1] == 135


def test_raw_and_real_requests_together_are_answered_as_alone(
    together: Callable[..., list[Answer]],
) -> None:
    pixels = [0, 100, 200, 240]
    raw = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "UINT8", "data": pixels}
    real = {**raw, "datatype": "FP32", "data": [0.0, 0.1, 0.2, 0.3]}
    bodies = [json.dumps({"inputs": [each]}).encode() for each in (raw, real)] * 20
    answers = together(*(Request("POST", "/v2/models/grey/infer", {}, body) for body in bodies))
    assert {answer.status for answer in answers} == {200}, answers
    means = [json.loads(answer.body)["outputs"][0]["data"] for answer in answers]
    assert means == [[135], [38]] * 20


def test_people_get_real_values(ask: Ask) -> None:
    metadata = json.loads(ask("GET", "/v1/models/grey/metadata").body)
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["image"]["dtype"] == "DT_FLOAT"
    rows = {"instances": [[[[0.0], [0.4]], [[0.8], [1.0]]]]}
    served = json.loads(ask("POST", "/v1/models/grey:predict", rows).body)
    assert served["predictions"][0] == pytest.approx([0.55], abs=0.01)
    pixels = {"features": [[[0], [102]], [[204], [255]]]}
    plain = json.loads(ask("POST", "/predict/grey", pixels).body)
    assert plain["prediction"]["mean"] == served["predictions"][0]
