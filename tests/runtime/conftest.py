"""A real server: the command in a process of its own, on a free port."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from twite.server.exchange import Endpoint
from twite.server.http import HttpServer
from twite.server.limits import limits_of
from twite.settings import Settings

PATIENCE_S = 60.0


@dataclass
class Server:
    """A running `twite serve`; url has no slash at its end, log is its stderr so far."""

    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def await_until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(r"on http://[^ ]*:(\d+)", self.log)
            if found:
                return int(found[1])
            assert self.process.poll() is None, self.log
            time.sleep(0.02)
        raise AssertionError(f"the server never became ready: {self.log}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def start(bundle: Path, log_file: Path, *options: str, **environment: str) -> Server:
    with log_file.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "twite", "serve", str(bundle), "--port", "0", *options],
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    return Server(process, log_file)


def end(server: Server) -> None:
    """Kill the server and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


@contextmanager
def serving(bundle: Path, log_file: Path, *options: str, **environment: str) -> Iterator[Server]:
    server = start(bundle, log_file, *options, **environment)
    try:
        yield server
    finally:
        end(server)


Serving = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def serve_iris(bundles: Path, tmp_path: Path) -> Serving:
    """Called with options and variables, a server of the iris bundle while the block lasts."""
    return partial(serving, bundles / "iris", tmp_path / "log")


@pytest.fixture(scope="session")
def digits(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server of the digits bundle."""
    log_file = tmp_path_factory.mktemp("digits") / "log"
    with (
        serving(bundles / "digits", log_file) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client


@pytest.fixture
def iris(bundles: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of the iris bundle that the test may stop."""
    with serving(bundles / "iris", tmp_path / "log", TWITE_MAX_BODY_BYTES="1000") as server:
        yield server


class ServerInThread:
    """A server in a thread of its own, and the connections that it holds."""

    def __init__(self, server: HttpServer, listener: socket.socket) -> None:
        self.server = server
        self.port = listener.getsockname()[1]
        self.refusals: list[int] = []

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def ask(self, *pieces: bytes) -> bytes:
        """Everything that the server sends until it closes."""
        with self.connect() as client:
            for piece in pieces:
                client.sendall(piece)
            return self.rest_of(client)

    def rest_of(self, client: socket.socket) -> bytes:
        return b"".join(iter(lambda: client.recv(65536), b""))

    def await_connections(self, count: int) -> None:
        self.await_until(lambda: len(self.server.connections) == count)

    def await_until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@contextmanager
def run_in_thread(app: Endpoint, **limits: Any) -> Iterator[ServerInThread]:
    listener = socket.create_server(("127.0.0.1", 0))
    refusals: list[int] = []
    server = HttpServer(
        app, limits_of(Settings(**limits)), lambda answer: refusals.append(answer.status)
    )
    found = ServerInThread(server, listener)
    found.refusals = refusals
    started, stop = threading.Event(), asyncio.Event()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def serve() -> None:
            await server.start(listener)
            started.set()
            await stop.wait()
            await server.drain(PATIENCE_S)

        loop = runner.get_loop()
        thread = threading.Thread(target=lambda: runner.run(serve()))
        thread.start()
        try:
            assert started.wait(PATIENCE_S)
            yield found
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE_S)
            listener.close()
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def run_server() -> Callable[..., AbstractContextManager[ServerInThread]]:
    """Called with an endpoint and settings, our HTTP server in this process while a block lasts."""
    return run_in_thread
