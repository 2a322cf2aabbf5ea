"""Servers under measurement: started, asked and always ended, each by its own process."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
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


def environment() -> dict[str, str]:
    """Ours without settings of twite; with bytecode, which an installed wheel has too."""
    dropped = ("TWITE_", "PYTHONDONTWRITEBYTECODE")
    return {name: text for name, text in os.environ.items() if not name.startswith(dropped)}


@contextmanager
def running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The process of command, ended when the block is left; its log is shown when that failed."""
    with tempfile.TemporaryFile() as log:
        # A session of its own: Ctrl-C reaches us alone, and we end it.
        process = subprocess.Popen(command, env=environment(), stderr=log, start_new_session=True)
        try:
            yield process
        except SystemExit:
            log.seek(0)
            sys.stderr.buffer.write(log.read())
            raise
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
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
