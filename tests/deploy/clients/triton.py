"""NVIDIA's tritonclient against a server: `triton.py HOST:PORT PICTURE`. Run by test_clients.py."""

import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

DTYPES = ("uint8", "int8", "int16", "int32", "uint32", "int64", "float32", "float64", "bool")


def ask(client: triton.InferenceServerClient, model: str, arrays: dict, *, binary: bool) -> dict:
    """Every output of the model, as the client understands it."""
    metadata = client.get_model_metadata(model)
    inputs = []
    for each in metadata["inputs"]:
        array = arrays[each["name"]]
        datatype = "BYTES" if array.dtype == object else each["datatype"]
        inputs.append(triton.InferInput(each["name"], list(array.shape), datatype))
        # FP16 has no JSON form in this protocol.
        is_binary = binary or array.dtype == np.float16
        inputs[-1].set_data_from_numpy(array, binary_data=is_binary)
    names = [each["name"] for each in metadata["outputs"]]
    is_half = {each["name"]: each["datatype"] == "FP16" for each in metadata["outputs"]}
    outputs = [
        triton.InferRequestedOutput(name, binary_data=binary or is_half[name]) for name in names
    ]
    result = client.infer(model, inputs, outputs=outputs, request_id="r-1")
    assert result.get_response()["id"] == "r-1"
    return {name: result.as_numpy(name) for name in names}


def check_health(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "1")
    assert not client.is_model_ready("iris", "2")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("iris", "1")
    assert metadata["versions"] == ["1"]
    assert metadata["platform"] == "litert_tflite"
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}]


def check_every_dtype(client: triton.InferenceServerClient) -> None:
    arrays = {f"in_{dtype}": np.array([[1, 0], [0, 1]], dtype) for dtype in (*DTYPES, "float16")}
    for binary in (True, False):
        found = ask(client, "every", arrays, binary=binary)
        for name, array in arrays.items():
            out = found[name.replace("in_", "out_")]
            assert out.dtype == array.dtype, name
            assert np.array_equal(out[:, 0], array), name


def check_several_inputs_and_outputs(client: triton.InferenceServerClient) -> None:
    left, right = np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([[10], [20]])
    for binary in (True, False):
        found = ask(client, "pair", {"left": left, "right": right}, binary=binary)
        assert np.array_equal(found["total"], left + right)
        assert np.array_equal(found["rows"], (left + right).sum(axis=1))


def check_bytes(client: triton.InferenceServerClient, picture: bytes) -> None:
    found = ask(client, "digits", {"image": np.array([picture, picture], object)}, binary=True)
    assert found["logits"].argmax(axis=1).tolist() == [7, 7]
    texts = np.array(["Grüße aus Köln".encode(), b""], object)
    for binary in (True, False):
        echo = ask(client, "words", {"tokens": texts}, binary=binary)["echo"]
        assert (echo[0, :3] > 0).all()
        assert not echo[1].any()
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture], object))
    for binary in (True, False):
        best = triton.InferRequestedOutput("logits", binary_data=binary, class_count=2)
        answer = client.infer("digits", [image], outputs=[best]).as_numpy("logits")
        first = answer[0, 0]
        text = first.decode() if isinstance(first, bytes) else first
        assert text.endswith(":7:7"), text


def check_signatures(client: triton.InferenceServerClient) -> None:
    signatures = client.get_model_metadata("several")["parameters"]["signatures"]
    x, scale = np.float32([[1, 0, 2], [0, 1, 0]]), np.float32([[3], [1]])
    for binary in (True, False):
        inputs = []
        for each in signatures["embed"]["inputs"]:
            array = {"x": x, "scale": scale}[each["name"]]
            inputs.append(triton.InferInput(each["name"], list(array.shape), each["datatype"]))
            inputs[-1].set_data_from_numpy(array, binary_data=binary)
        named = {"signature": "embed"}
        found = client.infer("several", inputs, parameters=named).as_numpy("embedding")
        assert np.array_equal(found, np.float32([[33, 42], [3, 4]]))


def check_errors(client: triton.InferenceServerClient) -> None:
    row = triton.InferInput("features", [1, 4], "FP32")
    row.set_data_from_numpy(np.zeros((1, 4), np.float32))
    for model, version, wanted in (
        ("iris", "", "the model takes (N, 3) float32"),
        ("irsi", "", "did you mean 'iris'?"),
        ("iris", "2", "has version 1, not '2'"),
    ):
        message = ""
        try:
            client.infer(model, [row], model_version=version)
        except InferenceServerException as error:
            message = error.message()
        assert wanted in message, message


with triton.InferenceServerClient(sys.argv[1]) as client:
    check_health(client)
    check_every_dtype(client)
    check_several_inputs_and_outputs(client)
    check_bytes(client, Path(sys.argv[2]).read_bytes())
    check_signatures(client)
    check_errors(client)
