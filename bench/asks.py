"""The requests of bench/compare.py: the same values as each server takes them."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from serving import OCTETS, binary_request, photo

from twite import bundle

JSON = {"Content-Type": "application/json"}
BOUNDARY = "twite"
FLOWER = np.array([[5.1, 3.5, 0.2]])


class Ask(NamedTuple):
    """One request of a workload as a server takes it."""

    path: str
    body: bytes
    headers: dict[str, str]


def numbers(path: Path) -> Ask:
    return Ask("/predict", b'{"features": [[5.1, 3.5, 0.2]]}', JSON)


def picture(path: str) -> Callable[[Path], Ask]:
    return lambda bundle_path: form(path, "image", photo())


def form(path: str, name: str, content: bytes) -> Ask:
    """A multipart request with one file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return Ask(path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})


def tensor(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """A sample for the model's input: values from -1 to 1, of three digits."""
    shape = (1, *bundle.read_manifest(path).inputs[0].shape[1:])
    count = int(np.prod(shape))
    return np.round(np.arange(count) % 1999 * 0.001 - 1, 3).astype(np.float32).reshape(shape)


def octets(path: Path) -> Ask:
    """The binary extension of the Open Inference Protocol, both ways."""
    return Ask(*binary_request(path, tensor(path)))


def protocol(array: Callable[[Path], Any]) -> Callable[[Path], Ask]:
    """The Open Inference Protocol with numbers in JSON."""

    def ask(path: Path) -> Ask:
        manifest, values = bundle.read_manifest(path), array(path)
        shape, data = list(values.shape), values.astype(float).round(3).reshape(-1).tolist()
        found = {"name": manifest.inputs[0].name, "shape": shape, "datatype": "FP32", "data": data}
        body = json.dumps({"inputs": [found]}).encode()
        return Ask(f"/v2/models/{manifest.name}/infer", body, JSON)

    return ask


def protocol_picture(path: Path) -> Ask:
    """MLServer's own way with bytes: base64 in a BYTES tensor."""
    data = [base64.b64encode(photo()).decode()]
    found = {"name": "image", "shape": [1, 1], "datatype": "BYTES", "data": data}
    body = json.dumps({"inputs": [found]}).encode()
    return Ask(f"/v2/models/{bundle.read_manifest(path).name}/infer", body, JSON)


def nested(path: str, name: str) -> Callable[[Path], Ask]:
    def ask(bundle_path: Path) -> Ask:
        rows = tensor(bundle_path).astype(float).round(3).tolist()
        return Ask(path, json.dumps({name: rows}).encode(), JSON)

    return ask


def raw(path: Path) -> Ask:
    """The tensor's bytes alone."""
    return Ask("/binary", tensor(path).tobytes(), {"Content-Type": OCTETS})


def upload(path: Path) -> Ask:
    """The tensor's bytes as a file of a form."""
    return form("/predict", "octets", tensor(path).tobytes())
