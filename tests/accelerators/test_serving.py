"""A real server with an accelerator that fails: what it answers, and what it says of it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from twite.bundle import Bundle
from twite.engine import Engine
from twite.tensors import Tensors

Wait = Callable[[Callable[[], object]], None]


class Server:
    """A running `twite serve` and its log."""

    def __init__(self, bundle: Bundle, accelerator: str, folder: Path, **settings: str) -> None:
        self._log = folder / "log"
        command = [sys.executable, "-m", "twite", "serve", str(bundle.path), "--port", "0"]
        named = ["--accelerator", accelerator] if accelerator else []
        environment = {**os.environ, "TWITE_CACHE_DIR": str(folder / "cache"), **settings}
        with self._log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, *named], stderr=stderr, stdin=subprocess.DEVNULL, env=environment
            )
        self.client = httpx.Client(timeout=60)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log
        return "serving tiny 1 on" in self.log

    def url(self, path: str) -> str:
        found = re.search(r"on (http://127.0.0.1:\d+)", self.log)
        assert found, self.log
        return found[1] + path

    def accelerator(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(self.url("/readyz")).json().get("accelerator", {})
        return found

    def predict(self, tensors: Tensors) -> list[float]:
        answer = self.client.post(self.url("/predict"), json={"features": tensors["x"].tolist()})
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["prediction"]["y"]
        return [float(value) for value in row]

    def children(self) -> list[str]:
        found: list[str] = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            found += (task / "children").read_text().split()
        return found

    def end(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def serve(
    library: Path, tiny: Bundle, tmp_path: Path, wait: Wait
) -> Iterator[Callable[..., Server]]:
    """Serve the tiny bundle with the delegate and its options, or another accelerator."""
    started: list[Server] = []

    def begin(options: str, *, accelerator: str | None = None, **settings: str) -> Server:
        named = f"external:library={library},{options}" if accelerator is None else accelerator
        server = Server(tiny, named, tmp_path, **settings)
        started.append(server)
        wait(server.is_up)
        return server

    yield begin
    for server in started:
        server.end()


@pytest.fixture
def right(cpu: Engine, row: Tensors) -> list[float]:
    return [float(value) for value in cpu.run(row)["y"][0]]


def test_a_hanging_call_disturbs_no_other_request(
    serve: Callable[..., Server], wait: Wait, row: Tensors, right: list[float], tmp_path: Path
) -> None:
    trigger = tmp_path / "trigger"
    options = f"mode=hang,stage=invoke,trigger={trigger}"
    server = serve(options, TWITE_ACCELERATOR_CALL_S="3")
    wait(lambda: server.accelerator().get("state") == "running")
    np.testing.assert_allclose(server.predict(row), right, atol=1e-4)
    trigger.touch()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(server.predict, row)
        answered = 0
        while not hanging.done():
            assert httpx.get(server.url("/livez"), timeout=60).status_code == 200
            answered += 1
        np.testing.assert_allclose(hanging.result(), right, atol=1e-4)
    assert answered >= 1
    assert server.accelerator()["fallbacks"] == 1
    metrics = server.client.get(server.url("/metrics")).text
    assert re.search(r"\ntwite_accelerator_fallbacks_total{[^}]*} 1\n", metrics)
    assert "hung: no answer after 3 s" in server.log


def test_a_killed_worker_costs_no_answer_and_leaves_nothing_behind(
    serve: Callable[..., Server], wait: Wait, row: Tensors, right: list[float]
) -> None:
    server = serve("mode=good")
    wait(lambda: server.accelerator().get("state") == "running" and len(server.children()) == 1)
    (worker,) = server.children()
    os.kill(int(worker), signal.SIGKILL)
    np.testing.assert_allclose(server.predict(row), right, atol=1e-4)
    wait(lambda: server.accelerator()["state"] == "running" and worker not in server.children())
    wait(lambda: len(server.children()) == 1)
    (worker,) = server.children()
    np.testing.assert_allclose(server.predict(row), right, atol=1e-4)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0, server.log
    assert not Path(f"/proc/{worker}").exists()


def test_a_worker_ends_with_a_server_that_was_killed(
    serve: Callable[..., Server], wait: Wait
) -> None:
    server = serve("mode=good")
    wait(lambda: server.accelerator().get("state") == "running" and server.children())
    (worker,) = server.children()
    server.process.kill()
    server.process.wait()
    # Its own parent then is whoever reaps orphans here, if anyone does.
    wait(lambda: _has_ended(worker))


def _has_ended(pid: str) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_what_was_refused_and_why_is_said(
    serve: Callable[..., Server], wait: Wait, row: Tensors, right: list[float]
) -> None:
    server = serve("colour=red")
    wait(lambda: server.accelerator().get("state") == "refused")
    (refusal,) = server.accelerator()["refused"]
    assert refusal["name"] == "external:colour=red"
    assert "unknown option" in refusal["reason"]
    assert "accelerator external:colour=red refused:" in server.log
    metadata = server.client.get(server.url("/v2/models/tiny")).json()
    assert metadata["parameters"]["accelerator"]["state"] == "refused"
    metrics = server.client.get(server.url("/metrics")).text
    labels = 'model_name="tiny",model_version="1"'
    assert f'twite_accelerator_state{{{labels},state="refused"}} 1\n' in metrics
    assert f'twite_accelerator_refused{{{labels},accelerator="external:colour=red",' in metrics
    assert f"twite_accelerator_fallbacks_total{{{labels}}} 0\n" in metrics
    np.testing.assert_allclose(server.predict(row), right, atol=1e-4)


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_on_lambda_nothing_is_probed(accelerator: str, serve: Callable[..., Server]) -> None:
    server = serve("", accelerator=accelerator, AWS_LAMBDA_RUNTIME_API="127.0.0.1:9001")
    assert server.accelerator() == {}
    assert server.children() == []


def test_a_misspelt_accelerator_ends_the_start(tiny: Bundle, tmp_path: Path) -> None:
    server = Server(tiny, "edgtpu", tmp_path)
    try:
        assert server.process.wait(60) == 2
        assert "no accelerator 'edgtpu'; did you mean 'edgetpu'?" in server.log
        assert "Traceback" not in server.log
    finally:
        server.end()
