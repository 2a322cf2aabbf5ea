"""The function in its container, from `docker run` to a prediction, beside a bare script in it."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

import numpy as np
from row import Row, at_most
from servers import free_port

BARE = Path(__file__).parent / "functions" / "bare.py"
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
PYTHON = "/usr/bin/python3.11"
INVOKE = "/2015-03-31/functions/function/invocations"
ROUNDS = 9
PATIENCE_S = 60.0


def rows(image: str, bundle: Path, environment: dict[str, str]) -> list[Row]:
    """image has the emulator and this bundle inside; rounds alternate, the first is not counted."""
    event = json.dumps({"features": golden(bundle)}).encode()
    rounds = [
        (start_function(image, event, environment), start_bare(image, environment))
        for _ in range(ROUNDS + 1)
    ]
    function, bare = (median(each) for each in zip(*rounds[1:], strict=True))
    print(f"docker run to the function's first prediction {function * 1000:.0f} ms, ", end="")
    print(f"bare script {bare * 1000:.0f} ms, median of {ROUNDS} rounds")
    return [at_most("docker run to a function's prediction × bare script", function / bare, 1.25)]


def golden(bundle: Path) -> object:
    return np.load(next((bundle / "golden").glob("in.*.npy")))[0].tolist()


def start_function(image: str, event: bytes, environment: dict[str, str]) -> float:
    port, inner = free_port(), free_port()
    emulator = ("--runtime-interface-emulator-address", f"127.0.0.1:{port}")
    emulator += ("--runtime-api-address", f"127.0.0.1:{inner}")
    function = (PYTHON, "-m", "awslambdaric", "entry.handler")
    command = ("--entrypoint", "/usr/local/bin/aws-lambda-rie", image, *emulator, *function)
    begin = time.perf_counter()
    with container(command, environment) as process:
        answer = json.loads(first_answer(process, port, event))
        took_s = time.perf_counter() - begin
    if "prediction" not in answer:
        raise SystemExit(f"the function answers {answer}")
    return took_s


def start_bare(image: str, environment: dict[str, str]) -> float:
    mount = ("-v", f"{BARE}:/bare.py:ro", "--entrypoint", PYTHON)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        script = ("/bare.py", "/model/model.tflite", str(listener.getsockname()[1]))
        begin = time.perf_counter()
        with container((*mount, image, *script), environment):
            connection, _ = listener.accept()
            with connection:
                said = connection.recv(100)
            took_s = time.perf_counter() - begin
    if not said.startswith(b"("):
        raise SystemExit(f"the bare script in {image} says {said!r}")
    return took_s


@contextmanager
def container(
    command: tuple[str, ...], environment: dict[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    """`docker run` of the command, on the host's network; removed when the block is left."""
    name = f"twite-bench-{free_port()}"
    run = ["docker", "run", "--rm", "--name", name, *HARDENED, "--network", "host", *command]
    null = subprocess.DEVNULL
    with subprocess.Popen(run, env=environment, stdout=null, stderr=null) as process:
        try:
            yield process
        finally:
            remove = ["docker", "rm", "--force", name]
            subprocess.run(remove, env=environment, capture_output=True, timeout=60)


def first_answer(process: "subprocess.Popen[bytes]", port: int, event: bytes) -> bytes:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            connection.request("POST", INVOKE, event)
            return connection.getresponse().read()
        except (OSError, HTTPException):
            time.sleep(0.001)
        finally:
            connection.close()
    raise SystemExit(f"the function's container does not answer: docker run gave {process.poll()}")
