"""The function in the emulator beside a bare script and beside a handler that does nothing.

python bench/function.py [BUNDLE], on Linux, with dist/iris built.
"""

import json
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "lambda"), str(ROOT / "runtime")]

import rie

HERE = Path(__file__).parent / "functions"
STARTS, ROUNDS, CALLS = 11, 15, 200
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


class Warm(NamedTuple):
    """Microseconds that a warm invocation takes longer than one of an empty handler."""

    direct_us: float
    http_us: float
    empty_us: float


def warm(bundle: Path) -> Warm:
    """Medians of alternating rounds; the empty handler is sent the same events."""
    with (
        rie.emulator({"MODEL_PATH": str(bundle)}, log=subprocess.DEVNULL) as function,
        rie.emulator({}, handler="empty.handler", folder=HERE, log=subprocess.DEVNULL) as empty,
    ):
        for event in (ROW, HTTP):
            check(function.invoke(json.dumps(event).encode())[1])
            _calls(function, event), _calls(empty, event)
        added: dict[str, list[float]] = {"direct": [], "http": []}
        floors = []
        for _ in range(ROUNDS):
            for name, event in (("direct", ROW), ("http", HTTP)):
                floor = _calls(empty, event)
                added[name].append(_calls(function, event) - floor)
                floors.append(floor)
    return Warm(median(added["direct"]), median(added["http"]), median(floors))


def _calls(emulator: rie.Emulator, event: Any) -> float:
    """The median call in microseconds, over one connection."""
    body, took = json.dumps(event), []
    connection = HTTPConnection("127.0.0.1", emulator.port, timeout=60)
    for _ in range(CALLS):
        begin = time.perf_counter()
        connection.request("POST", rie.INVOKE, body)
        connection.getresponse().read()
        took.append(time.perf_counter() - begin)
    connection.close()
    return median(took) * 1e6


def check(answer: bytes) -> None:
    value = json.loads(answer)
    value = json.loads(value["body"]) if "body" in value else value
    if value != {"prediction": 1.4}:
        raise SystemExit(f"the function answers {answer!r}; iris is 1.4")


def start(bundle: Path) -> tuple[float, float, float]:
    """Median seconds to the first prediction: the function's, the bare script's, and over HTTP."""
    rounds = []
    for _ in range(STARTS + 1):
        rounds.append((_start(bundle, ROW), _start_bare(bundle), _start(bundle, HTTP)))
    # The first round fills the page cache and writes bytecode.
    direct, bare, http = zip(*rounds[1:], strict=True)
    return median(direct), median(bare), median(http)


def _start(bundle: Path, event: Any) -> float:
    begin = time.perf_counter()
    with rie.emulator({"MODEL_PATH": str(bundle)}, log=subprocess.DEVNULL) as function:
        _, answer = function.invoke(json.dumps(event).encode())
        took_s = time.perf_counter() - begin
    check(answer)
    return took_s


def _start_bare(bundle: Path) -> float:
    command = [rie.PYTHON, HERE / "bare.py", bundle / "model.tflite"]
    begin = time.perf_counter()
    subprocess.run(command, env=rie.environment({}), check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - begin


if __name__ == "__main__":
    chosen = Path(sys.argv[1] if len(sys.argv) > 1 else "dist/iris").resolve()
    print(warm(chosen))
    print(start(chosen))
