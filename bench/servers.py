"""Servers under measurement: started, asked and always ended, each by its own process."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 30.0


def twite_serve(bundle: Path, port: int) -> list[str]:
    command = Path(sys.executable).parent / "twite"
    return [str(command), "serve", str(bundle), "--port", str(port), "--log-level", "warning"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The process of command, ended when the block is left, however it is left."""
    environment = {name: text for name, text in os.environ.items() if "TWITE" not in name}
    # A group of its own: Ctrl-C reaches us alone, and we end it.
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def first_answer(
    process: subprocess.Popen[bytes], port: int, body: bytes, content_type: str
) -> bytes:
    """Ask /predict until it answers 200; fails when the process ends or takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        status, answer = ask(port, body, content_type)
        if status == 200:
            return answer
        if status not in (0, 503):
            raise SystemExit(f"{process.args!r} answers {status}: {answer.decode()}")
        time.sleep(0.001)
    raise SystemExit(f"{process.args!r} did not answer within {PATIENCE_S:.0f} s")


def ask(port: int, body: bytes, content_type: str) -> tuple[int, bytes]:
    """Status and body of one POST /predict; status 0 when nobody listens yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", "/predict", body, {"content-type": content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionError:
        return 0, b""
    finally:
        connection.close()
