"""A real classifier behind HTTP beside the same interpreters in a bare loop."""

import io
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from row import Row, at_least
from servers import ask, environment, free_port, running, twite_serve
from wrk import wrk

from twite import Model, bundle
from twite.manifest import TensorPostprocessing, TensorPreprocessing
from twite.preprocess import preprocess

HERE = Path(__file__).parent
ROUNDS, ROUND_S, CONNECTIONS = 5, 4.0, 8
OCTETS = "application/octet-stream"


def rows(dist: Path) -> list[Row]:
    return [picture_row(dist), tensor_row(dist)]


def picture_row(dist: Path) -> Row:
    """JPEG in, classes out, beside a loop that decodes, resizes and invokes."""
    jpeg = photo()
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(jpeg)
        file.flush()
        headers = {"Content-Type": "image/jpeg"}
        rates = beside(dist / "imagenet", "/predict", jpeg, headers, [file.name])
    served, raw = told(f"{len(jpeg):,} bytes of JPEG", rates)
    return at_least("pictures a second × a bare loop", served / raw, 0.93)


def tensor_row(dist: Path) -> Row:
    """602 kB of float32 in the binary extension of the Open Inference Protocol."""
    path = tensor_bundle(dist)
    shape = (1, *bundle.read_manifest(path).inputs[0].shape[1:])
    url, body, headers = binary_request(path, np.zeros(shape, np.float32))
    served, raw = told(f"{len(body):,} bytes of tensor", beside(path, url, body, headers, []))
    return at_least("binary tensors a second × a bare loop", served / raw, 0.85)


def binary_request(path: Path, array: np.ndarray) -> tuple[str, bytes, dict[str, str]]:
    """URL, body and headers of a request with one tensor in the binary extension, both ways."""
    manifest = bundle.read_manifest(path)
    data = array.tobytes()
    tensor = {
        "name": manifest.inputs[0].name,
        "shape": list(array.shape),
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(data)},
    }
    asked = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    head = json.dumps(asked).encode()
    headers = {"Content-Type": OCTETS, "Inference-Header-Content-Length": str(len(head))}
    return f"/v2/models/{manifest.name}/infer", head + data, headers


def beside(
    path: Path, url: str, body: bytes, headers: dict[str, str], picture: list[str]
) -> list[float]:
    """Requests a second of the server, of the bare loop, and of the bare app."""
    port, bare_port = free_port(), free_port()
    model = str(path / bundle.read_manifest(path).model)
    loop = [sys.executable, str(HERE / "raw_loop.py"), model, "2", str(ROUND_S), *picture]
    app = [sys.executable, str(HERE / "bare_threads.py"), model, str(bare_port)]
    app += ["pictures"] if picture else []

    def raw() -> float:
        pipe = subprocess.PIPE
        done = subprocess.run(loop, env=environment(), check=True, stdout=pipe, text=True)
        return float(done.stdout)

    def served(port: int) -> float:
        return wrk(port, url, body, headers, connections=CONNECTIONS, seconds=ROUND_S).rate

    with ExitStack() as stack:
        wait_until_ready(stack.enter_context(running(twite_serve(path, port))), port)
        wait_until_listening(stack.enter_context(running(app)), bare_port)
        return alternate([lambda: served(port), raw, lambda: served(bare_port)])


def told(what: str, rates: list[float]) -> tuple[float, float]:
    """Those of the server and of the bare loop; all three are printed."""
    served, raw, app = rates
    print(f"EfficientNet-Lite0, {what}: {served:.0f} a second, bare {raw:.0f}, bare app {app:.0f}")
    return served, raw


def alternate(loads: list[Callable[[], float]]) -> list[float]:
    """Medians of all, measured in turns after one round to warm up."""
    rates: list[list[float]] = [[] for _ in loads]
    for i in range(ROUNDS + 1):
        numbers = range(len(loads))
        for number in numbers if i % 2 else reversed(numbers):
            rate = loads[number]()
            if i:
                rates[number].append(rate)
    return [median(each) for each in rates]


def wait_until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


def wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Until /predict says that it does not understand an empty body."""
    while process.poll() is None and ask(port, b"{}", "application/json")[0] in (0, 503):
        time.sleep(0.02)


def tensor_bundle(dist: Path) -> Path:
    """The classifier of dist/imagenet as one that takes and answers plain tensors."""
    target = dist / "bench-tensors"
    found = bundle.load(dist / "imagenet")
    manifest = found.manifest
    golden = preprocess(found.golden_inputs(), manifest.preprocessing)
    contents = {name: (found.path / name).read_bytes() for name in manifest.files}
    for name, array in golden.items():
        contents[manifest.golden.inputs[name]] = bundle.npy(array)
    contents = {name: content for name, content in contents.items() if name != "labels.txt"}
    made = manifest._replace(
        name="tensors",
        preprocessing=TensorPreprocessing("tensors"),
        postprocessing=TensorPostprocessing("tensors"),
    )
    bundle.write(target, made, contents, replace=True)
    Model(bundle.load(target), 1).replay()
    return target


def photo() -> bytes:
    """A JPEG of 600 x 400 with the detail of a photo, about 100 kB."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (50, 75, 3), np.uint8))
    smooth = np.asarray(coarse.resize((600, 400), Image.Resampling.BICUBIC), np.int16)
    noisy = np.clip(smooth + rng.integers(-14, 15, smooth.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
