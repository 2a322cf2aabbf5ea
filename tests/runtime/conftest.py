"""A real server: the command in a process of its own, on a free port."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest


@dataclass
class Server:
    """A running `twite serve`; url has no slash at its end, log is its stderr so far."""

    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = re.search(r"on http://[^ ]*:(\d+)", self.log)
            if found:
                return int(found[1])
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(f"the server never became ready: {self.log}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def start(bundle: Path, log_file: Path, **environment: str) -> Server:
    with log_file.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "twite", "serve", str(bundle), "--port", "0"],
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
    return Server(process, log_file)


def end(server: Server) -> None:
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def digits(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server of the digits bundle."""
    server = start(bundles / "digits", tmp_path_factory.mktemp("digits") / "log")
    try:
        with httpx.Client(base_url=server.url) as client:
            yield client
    finally:
        end(server)


@pytest.fixture
def iris(bundles: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of the iris bundle that the test may stop."""
    server = start(bundles / "iris", tmp_path / "log", TWITE_MAX_BODY_BYTES="1000")
    try:
        yield server
    finally:
        end(server)
