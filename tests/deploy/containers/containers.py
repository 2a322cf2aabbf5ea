"""A docker, its images and containers that are always ended."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
BUNDLE = ROOT / "tests" / "runtime" / "bundles" / "digits"
TOOLS = ROOT / ".venvs" / "containers" / "bin"
TARGETS = ("edge", "edge-armv7", "lambda", "lambda-sam")
HARDENED = (
    *("--read-only", "--user", "65532:65532", "--cap-drop", "ALL", "--pids-limit", "64"),
    *("--security-opt", "no-new-privileges", "--memory", "128m", "--cpus", "0.5"),
)
PATIENCE_S = 240.0


class Docker:
    """The docker of tools/docker.sh; every call has a time limit."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: str, timeout_s: float = PATIENCE_S) -> str:
        done = self.call(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def call(
        self, *arguments: str, timeout_s: float = PATIENCE_S
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def once(self, image: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """What the image prints when it is run to its end."""
        return self("run", "--rm", *options, image, *arguments)

    @contextmanager
    def running(
        self, image: str, *options: str, arguments: tuple[str, ...] = ()
    ) -> "Iterator[Container]":
        """A container with its port 8080 on loopback, removed when the block is left."""
        name = self("run", "--detach", "-p", "127.0.0.1::8080", *options, image, *arguments).strip()
        try:
            yield Container(self, name)
        finally:
            self.call("rm", "--force", name)


class Container(NamedTuple):
    docker: Docker
    name: str

    @property
    def port(self) -> int:
        """The port on loopback; raises ConnectionError while docker has none for it."""
        done = self.docker.call("port", self.name, "8080/tcp")
        if done.returncode:
            raise ConnectionError(done.stderr)
        return int(done.stdout.split(":")[-1])

    @property
    def log(self) -> str:
        done = self.docker.call("logs", self.name)
        return done.stdout + done.stderr

    def inspect(self, template: str) -> str:
        return self.docker("inspect", "--format", template, self.name).strip()

    def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"content-type": kind} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def wait_until_ready(self) -> "Container":
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return self
            except (OSError, http.client.HTTPException):
                assert self.inspect("{{.State.Status}}") in ("running", "restarting"), self.log
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.log}")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.2)


class Images(NamedTuple):
    """Names of what one bake made; the edge image is in the registry too."""

    edge: str
    armv7: str
    lambda_arm64: str
    lambda_amd64: str
    sam: str


def listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def bake(
    docker: Docker, prefix: str, bundle: Path, *arguments: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    variables = {"REGISTRY": prefix, "BUNDLE": str(bundle), "REVISION": "", **variables}
    done = subprocess.run(
        [str(ROOT / "tools" / "images.sh"), *arguments],
        env={**docker.environment, **variables},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return done


def fetch(registry: str, path: str) -> Any:
    """A manifest of the registry, or an index of manifests."""
    connection = http.client.HTTPConnection(registry, timeout=60)
    try:
        connection.putrequest("GET", f"/v2/{path}")
        for kind in ("oci.image.index.v1", "oci.image.manifest.v1"):
            connection.putheader("accept", f"application/vnd.{kind}+json")
        for kind in ("manifest.list.v2", "manifest.v2"):
            connection.putheader("accept", f"application/vnd.docker.distribution.{kind}+json")
        connection.endheaders()
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def tool(name: str) -> str:
    """The path of a checking tool; skips where its environment was not made."""
    if not (TOOLS / name).exists():
        pytest.skip(f"cannot run here: no {name}; make .venvs/containers/.made")
    return str(TOOLS / name)
