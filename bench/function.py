"""The function in the emulator beside a bare script and beside a handler that does nothing."""

import json
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from row import Row, at_most

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "lambda"), str(ROOT / "runtime")]

import rie
from twite.bundle import read_manifest

HERE = Path(__file__).parent / "functions"
STARTS, ROUNDS, CALLS = 15, 15, 200
LINE_BYTES = 600
"""About what the function writes of one invocation."""
ROW = {"features": [5.1, 3.5, 0.2]}
HTTP = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/predict",
    "rawQueryString": "",
    "headers": {
        "accept": "*/*",
        "content-length": "29",
        "content-type": "application/json",
        "host": "abcdefghij.execute-api.eu-west-1.amazonaws.com",
        "user-agent": "curl/8.5.0",
        "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793",
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    },
    "requestContext": {
        "accountId": "000000000000",
        "apiId": "abcdefghij",
        "domainName": "abcdefghij.execute-api.eu-west-1.amazonaws.com",
        "http": {
            "method": "POST",
            "path": "/predict",
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.9",
            "userAgent": "curl/8.5.0",
        },
        "requestId": "JKJaXmPLvHcESHA=",
        "stage": "$default",
        "timeEpoch": 1583348638390,
    },
    "body": json.dumps(ROW),
    "isBase64Encoded": False,
}


def rows(dist: Path) -> list[Row]:
    starts = start(dist / "iris")
    print(f"function: first prediction after {starts.direct_s * 1000:.0f} ms, over HTTP ", end="")
    print(f"{starts.http_s * 1000:.0f} ms; bare script {starts.bare_s * 1000:.0f} ms")
    steps = ", ".join(f"{name} {ms:.0f}" for name, ms in starts.steps_ms.items())
    print(f"  INIT in ms: {steps}\n  median of {STARTS} rounds")
    calls = warm(dist / "iris")
    print(f"function: an empty handler answers in {calls.empty_us:.0f} µs; one inference and one ")
    print(f"  line of log, with no check, add {calls.least_us:.0f} µs")
    print(f"  {ROUNDS} rounds of {CALLS} calls in turn")
    found = [
        at_most("function: start × bare script", starts.direct_s / starts.bare_s, 1.25),
        at_most("function: direct invocation, added", calls.direct_us, 100, "µs", 0),
        at_most("function: HTTP event, added", calls.http_us, 300, "µs", 0),
    ]
    imagenet = dist / "imagenet"
    if not (imagenet / "bundle.json").exists():
        print("function: no dist/imagenet, so its memory is not measured; make examples makes it")
        return found
    return [*found, at_most("function: peak memory, imagenet", memory(imagenet), 100, "MB", 0)]


class Warm(NamedTuple):
    """Microseconds that a warm invocation takes longer than one of an empty handler.

    least_us is what functions/least.py takes longer, empty_us what the empty handler takes.
    """

    direct_us: float
    http_us: float
    least_us: float
    empty_us: float


def warm(bundle: Path) -> Warm:
    """Medians over rounds of alternating calls; the empty handler is sent the same events."""
    variables = {"LEAST_MODEL": str(bundle / "model.tflite"), "LEAST_LINE_BYTES": str(LINE_BYTES)}
    quiet = subprocess.DEVNULL
    with (
        rie.emulator({"MODEL_PATH": str(bundle)}, log=quiet) as function,
        rie.emulator(variables, handler="least.handler", folder=HERE, log=quiet) as least,
        rie.emulator({}, handler="empty.handler", folder=HERE, log=quiet) as empty,
    ):
        calls = {
            "direct": (function, ROW),
            "http": (function, HTTP),
            "least": (least, standardized(bundle)),
        }
        for emulator, event in calls.values():
            check(emulator.invoke(json.dumps(event).encode())[1])
            _calls(emulator, empty, event)
        added: dict[str, list[float]] = {name: [] for name in calls}
        floors = []
        for _ in range(ROUNDS):
            for name, (emulator, event) in calls.items():
                took_us, floor_us = _calls(emulator, empty, event)
                added[name].append(took_us - floor_us)
                floors.append(floor_us)
    return Warm(*(median(added[name]) for name in ("direct", "http", "least")), median(floors))


def standardized(path: Path) -> dict[str, list[float]]:
    """ROW as the model itself takes it."""
    how = read_manifest(path).preprocessing
    values = zip(ROW["features"], how.mean, how.scale, strict=True)
    return {"features": [(value - mean) / scale for value, mean, scale in values]}


def _calls(function: rie.Emulator, empty: rie.Emulator, event: Any) -> tuple[float, float]:
    """The median call of each in microseconds, in turn, over one connection each."""
    body = json.dumps(event)
    both = [HTTPConnection("127.0.0.1", each.port, timeout=60) for each in (function, empty)]
    took: tuple[list[float], list[float]] = ([], [])
    for i in range(2 * CALLS):
        begin = time.perf_counter()
        both[i % 2].request("POST", rie.INVOKE, body)
        both[i % 2].getresponse().read()
        took[i % 2].append(time.perf_counter() - begin)
    for connection in both:
        connection.close()
    return median(took[0]) * 1e6, median(took[1]) * 1e6


def check(answer: bytes) -> None:
    value = json.loads(answer)
    value = json.loads(value["body"]) if "body" in value else value
    if not 1 < value.get("prediction", 0) < 2:
        raise SystemExit(f"the function answers {answer!r}; that iris has 1 to 2 cm")


class Starts(NamedTuple):
    """Median seconds to the first prediction; what INIT spent in milliseconds, by step."""

    direct_s: float
    bare_s: float
    http_s: float
    steps_ms: dict[str, float]


def start(bundle: Path) -> Starts:
    rounds = []
    for _ in range(STARTS + 1):
        direct_s, steps = _start(bundle, ROW)
        http_s, _ = _start(bundle, HTTP)
        python_s, client_s = _run("pass"), _run("import awslambdaric.bootstrap")
        steps = {"python": python_s * 1e3, "awslambdaric": (client_s - python_s) * 1e3, **steps}
        rounds.append((direct_s, _bare(bundle), http_s, steps))
    # The first round fills the page cache and writes bytecode.
    direct, bare, http, every = zip(*rounds[1:], strict=True)
    middle = {name: median(steps[name] for steps in every) for name in every[0]}
    return Starts(median(direct), median(bare), median(http), middle)


def _start(bundle: Path, event: Any) -> tuple[float, dict[str, float]]:
    with tempfile.TemporaryFile() as log:
        begin = time.perf_counter()
        with rie.emulator({"MODEL_PATH": str(bundle)}, log=log) as function:
            _, answer = function.invoke(json.dumps(event).encode())
            took_s = time.perf_counter() - begin
        log.seek(0)
        (ready,) = [
            json.loads(line) for line in log if line.startswith(b'{"') and b'"init"' in line
        ]
    check(answer)
    return took_s, {name.removesuffix("_ms"): float(ms) for name, ms in ready["init"].items()}


def _bare(bundle: Path) -> float:
    """Until it has said what it predicts; its end takes time that nobody waits for."""
    command = [rie.PYTHON, HERE / "bare.py", bundle / "model.tflite"]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    begin = time.perf_counter()
    with subprocess.Popen(command, env=rie.environment({}), stdout=pipe, stderr=null) as process:
        said = process.stdout.readline() if process.stdout else b""
        took_s = time.perf_counter() - begin
    if not said:
        raise SystemExit(f"the bare script ended with {process.returncode} and says nothing")
    return took_s


def _run(code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([rie.PYTHON, "-c", code], env=rie.environment({}), check=True)
    return time.perf_counter() - begin


def memory(bundle: Path) -> float:
    """The most that the function's process held, in MB, when it had answered a JPEG over HTTP."""
    pixels = np.load(next((bundle / "golden").glob("in.*.npy")))[0]
    file = BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG")
    event = HTTP | {"body": b64encode(file.getvalue()).decode(), "isBase64Encoded": True}
    event["headers"] = {"content-type": "image/jpeg"}
    with rie.emulator({"MODEL_PATH": str(bundle)}, log=subprocess.DEVNULL) as function:
        for _ in range(3):
            answer = json.loads(function.invoke(json.dumps(event).encode())[1])
        if answer.get("statusCode") != 200:
            raise SystemExit(f"the function answers {answer}")
        (pid,) = rie.children(function.process.pid)
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(peak.split()[1]) * 1024 / 1e6
