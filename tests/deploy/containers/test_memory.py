"""Containers with little memory: they refuse greedy clients, and come back when they are killed."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from containers import BUNDLE, HARDENED, ROOT, Container, Docker, Images, wait_for
from dialects import PLAIN, agree, answers

MIB = 1 << 20
BODY_BYTES = 15 * MIB
EDGE = ROOT / "edge"
GREEDY = {"TWITE_MAX_BODY_BYTES": str(1 << 32), "TWITE_MAX_HELD_BYTES": str(1 << 32)}
"""Settings that let one request take all the memory there is."""


def test_greedy_clients_are_refused_before_the_memory_is_over(
    images: Images, docker: Docker
) -> None:
    with docker.running(images.edge, *HARDENED) as container, ExitStack() as stack:
        container.wait_until_ready()
        clients = [stack.enter_context(uploading(container.port, BODY_BYTES)) for _ in range(10)]
        for client in clients:
            send_most(client, BODY_BYTES - MIB)
        status, answer = container.ask("POST", "/predict", *PLAIN["json"])
        assert status in (200, 503), answer
        stack.close()
        wait_for(lambda: container.ask("POST", "/predict", *PLAIN["json"])[0] == 200, "an answer")
        asked = [json.dumps({"features": [0.5] * count}).encode() for count in (260_000, 1_000_000)]
        with ThreadPoolExecutor(8) as pool:
            told = pool.map(lambda body: container.ask("POST", "/predict", body)[0], asked * 8)
            assert set(told) <= {400, 413, 503}
        assert container.inspect("{{.RestartCount}} {{.State.OOMKilled}}") == "0 false"


@contextmanager
def uploading(port: int, size: int) -> Iterator[socket.socket]:
    """A connection that has announced a body of so many bytes."""
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=120) as client:
        client.sendall(head.encode())
        yield client


def send_most(client: socket.socket, size: int) -> None:
    """Send so many bytes, or what the server takes before it refuses."""
    try:
        for _ in range(0, size, MIB):
            client.sendall(bytes(MIB))
    except OSError:
        return


@pytest.fixture
def composed(docker: Docker, images: Images, tmp_path: Path) -> Iterator[Container]:
    """The server of edge/compose.yaml, with settings under which a request may take all memory."""
    override = tmp_path / "greedy.yaml"
    override.write_text(json.dumps({"services": {"twite": {"environment": GREEDY}}}))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    project = f"twite-test-{os.getpid()}"
    files = ["--file", str(EDGE / "compose.yaml"), "--file", str(override)]
    variables = {
        "TWITE_IMAGE": images.edge,
        "TWITE_BUNDLE": str(BUNDLE),
        "TWITE_MEMORY": "128m",
        "TWITE_PORT": port,
    }

    def compose(*arguments: str) -> str:
        done = subprocess.run(
            ["docker", "compose", "--project-name", project, *files, *arguments],
            env={**docker.environment, **variables},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        compose("up", "--detach", "--pull", "never")
        yield Container(docker, compose("ps", "--quiet").strip())
    finally:
        compose("down", "--volumes", "--timeout", "30")


def test_what_the_kernel_kills_for_memory_starts_again_and_answers(
    composed: Container, native: dict[str, object], docker: Docker
) -> None:
    composed.wait_until_ready()
    begin = str(int(time.time()) - 1)
    with uploading(composed.port, 1 << 30) as client:
        send_most(client, 1 << 30)
    wait_for(lambda: composed.inspect("{{.RestartCount}}") == "1", "the restart")
    composed.wait_until_ready()
    assert agree(native, answers(composed))
    # The state of the container is that of its new start; what happened is in the events.
    asked = ("--filter", f"container={composed.name}", "--format", "{{json .}}")
    told = docker("events", "--since", begin, "--until", str(int(time.time()) + 1), *asked)
    events = [json.loads(line) for line in told.splitlines()]
    assert "oom" in {event["Action"] for event in events}, told
    (died,) = [event for event in events if event["Action"] == "die"]
    assert died["Actor"]["Attributes"]["exitCode"] == "137"
