"""`--workers`: several processes on one port, watched by a parent."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from twite.server.stopping import Stop
from twite.server.workers import Worker
from twite.telemetry import Ledger

ROW = {"features": [[5.1, 3.5, 0.2]]}
PATIENCE_S = 60.0


def workers_of(server: Any) -> list[int]:
    """The process ids of the children."""
    listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def ready(server: Any, count: int) -> None:
    server.await_until(lambda: server.log.count("serving iris") >= count)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ask(server: Any) -> int:
    return int(httpx.post(server.url + "/predict", json=ROW, timeout=60).status_code)


def test_nobody_is_sent_to_a_worker_that_still_loads(serve_iris: Any) -> None:
    with serve_iris("--workers", "6") as server:
        answers = [ask(server)]
        while server.log.count("serving iris") < 6:
            answers.append(ask(server))
        os.kill(workers_of(server)[0], signal.SIGKILL)
        while server.log.count("serving iris") < 7:
            answers.append(health(server))
        assert set(answers) == {200}


def health(server: Any) -> int:
    """The status of the readiness; 200 too where the connection was the killed worker's."""
    try:
        return int(httpx.get(server.url + "/readyz", timeout=PATIENCE_S).status_code)
    except httpx.TransportError:
        return 200


def test_workers_share_the_port_and_one_that_dies_is_replaced(serve_iris: Any) -> None:
    with serve_iris("--workers", "2") as server:
        ready(server, 2)
        assert {ask(server) for _ in range(6)} == {200}
        before = workers_of(server)
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        ready(server, 3)
        assert "was ended by SIGKILL; another starts in 0.5 s" in server.log
        after = workers_of(server)
        assert len(after) == 2
        assert before[1] in after
        assert {ask(server) for _ in range(6)} == {200}
        metrics = httpx.get(server.url + "/metrics", timeout=60).text
        assert re.search(r'twite_inference_requests_total{[^}]*code="200"[^}]*} 12\n', metrics)
        assert server.stop() == 0
        assert not any(exists(pid) for pid in after)
        assert "Traceback" not in server.log


def test_metrics_are_the_sums_of_all_workers(serve_iris: Any) -> None:
    with serve_iris("--workers", "2") as server:
        ready(server, 2)
        asked, workers = 0, set[str]()

        def is_answered_by_both() -> bool:
            nonlocal asked
            answer = httpx.post(server.url + "/predict", json=ROW, timeout=60)
            asked += answer.status_code == 200
            # What a worker's request ids begin with is its own.
            workers.add(answer.headers["x-request-id"].partition("-")[0])
            return len(workers) == 2 and asked >= 20

        server.await_until(is_answered_by_both)
        httpx.post(server.url + "/predict", json={"features": "seven"}, timeout=60)
        scrapes = set[str]()

        def is_told_by_both() -> bool:
            answer = httpx.get(server.url + "/metrics", timeout=60)
            scrapes.add(answer.headers["x-request-id"].partition("-")[0])
            check_sums(answer.text, asked)
            return scrapes == workers

        server.await_until(is_told_by_both)


def check_sums(text: str, asked: int) -> None:
    def value(pattern: str) -> float:
        (found,) = re.findall(rf"^twite_{pattern} (\S+)$", text, re.MULTILINE)
        return float(found)

    assert value('inference_requests_total{[^}]*code="200"}') == asked
    assert value('inference_requests_total{[^}]*code="400"}') == 1
    assert value('inference_duration_seconds_bucket{[^}]*le="[+]Inf"}') == asked
    assert value("inference_duration_seconds_count{[^}]*}") == asked
    assert value("inference_duration_seconds_sum{[^}]*}") > 0
    assert value("batch_samples_sum{[^}]*}") == asked
    assert value("inflight_requests{[^}]*}") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_counts_once(serve_iris: Any, number: int) -> None:
    with serve_iris("--workers", "2") as server:
        ready(server, 2)
        workers = workers_of(server)
        os.killpg(server.process.pid, number)
        assert server.process.wait(PATIENCE_S) == 0
        assert not any(exists(pid) for pid in workers)


def test_a_second_signal_ends_the_workers_too(serve_iris: Any) -> None:
    with serve_iris("--workers", "2", TWITE_DRAIN_PAUSE_S="600") as server:
        ready(server, 2)
        workers = workers_of(server)
        server.process.send_signal(signal.SIGTERM)
        server.await_until(lambda: "SIGTERM: stopping 2 workers" in server.log)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == -signal.SIGTERM
        server.await_until(lambda: not any(exists(pid) for pid in workers))


def test_workers_do_not_outlive_their_parent(serve_iris: Any) -> None:
    with serve_iris("--workers", "2") as server:
        ready(server, 2)
        workers = workers_of(server)
        server.process.kill()
        server.process.wait()
        server.await_until(lambda: not any(is_running(pid) for pid in workers))


@pytest.mark.parametrize("is_read", [True, False])
def test_a_worker_stops_whether_or_not_its_parent_read_the_last_word(is_read: bool) -> None:
    ours, theirs = socket.socketpair()
    worker = Worker(0, Ledger(1), theirs)

    async def live() -> float:
        stop = Stop(lambda: None)
        worker.obey(stop, 5.0)
        worker.report_ready()
        if is_read:
            assert ours.recv(1)
        ours.close()
        worker.report_ready()
        return await asyncio.wait_for(stop.wait(), PATIENCE_S)

    with theirs, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(live()) == 0.0


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie, which is for whoever is its parent now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return re.search(r"^State:\s+Z", status, re.MULTILINE) is None


def test_a_bundle_that_cannot_be_loaded_ends_the_parent(bundles: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(bundles / "iris", tmp_path / "iris"))
    (path / "model.tflite").write_bytes(b"x" * (path / "model.tflite").stat().st_size)
    command = [sys.executable, "-m", "twite", "serve", str(path), "--port", "0", "--workers", "2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 3
    assert result.stderr.count("the manifest says") == 1
    assert "worker 0 ended with 3 before it was ready" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_a_server_has_is_not_shared_with_another(serve_iris: Any) -> None:
    with serve_iris("--workers", "2") as server:
        ready(server, 1)
        command = [sys.executable, "-m", "twite", "serve", "x", "--port", str(server.port)]
        for more in ([], ["--workers", "2"]):
            result = subprocess.run([*command, *more], capture_output=True, timeout=120)
            assert result.returncode == 2
            assert b"cannot listen on" in result.stderr
