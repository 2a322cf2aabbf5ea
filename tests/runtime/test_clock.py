"""The wall clock jumps by years, as a board's does when it finds a time server."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

ROW = {"features": [[5.1, 3.5, 0.2]]}
TEN_YEARS_S = 3653 * 86400
PATIENCE_S = 60.0
MOST_S = 600.0
"""More than anything here can have taken; a jump is half a million times as long."""


@pytest.fixture
def wrong_by(
    compile_library: Callable[[Path], Path], tmp_path: Path
) -> tuple[Path, dict[str, str]]:
    """The file with the seconds that a server's clock is wrong by, and variables for the server."""
    preloaded = compile_library(Path(__file__).with_name("clock.c"))
    offset = tmp_path / "offset"
    offset.write_text("0")
    return offset, {"LD_PRELOAD": str(preloaded), "CLOCK_OFFSET": str(offset)}


@contextmanager
def asking(server: Any) -> Iterator[list[object]]:
    """The results so far of two clients that ask all the time, one over a kept connection."""
    results: list[object] = []
    over = threading.Event()
    kept = httpx.Client(timeout=PATIENCE_S)

    def ask(post: Callable[..., httpx.Response]) -> None:
        while not over.is_set():
            try:
                answer = post(f"{server.url}/predict", json=ROW, timeout=PATIENCE_S)
                results.append(answer.status_code)
            except httpx.HTTPError as error:
                results.append(repr(error))

    threads = [threading.Thread(target=ask, args=(post,)) for post in (kept.post, httpx.post)]
    for thread in threads:
        thread.start()
    try:
        yield results
    finally:
        over.set()
        for thread in threads:
            thread.join()
        kept.close()


@pytest.mark.parametrize("way", ["inline", "accelerator", "workers"])
def test_answers_go_on_while_the_wall_clock_jumps(
    way: str, serve_iris: Any, wrong_by: tuple[Path, dict[str, str]], request: Any
) -> None:
    offset, variables = wrong_by
    options = {
        "inline": [],
        "workers": ["--workers", "2"],
        # In a process of its own, so that every request waits for one with a deadline.
        "accelerator": ["--accelerator", "external:library={},delay_us=500"],
    }[way]
    if way == "accelerator":
        options[1] = options[1].format(request.getfixturevalue("library"))
    # Ample for a slow machine, and nothing beside ten years.
    waits = dict.fromkeys(("HEADER_TIMEOUT_S", "DEADLINE_S", "ACCELERATOR_CALL_S"), "600")
    settings = {"ACCESS_LOG": "1", "LOG_FORMAT": "json", **waits}
    variables = variables | {f"TWITE_{name}": text for name, text in settings.items()}
    with serve_iris(*options, **variables) as server:
        head = f"GET /livez HTTP/1.1\r\nhost: x:{server.port}\r\n".encode()
        if way == "accelerator":
            server.await_until(lambda: accelerator(server)["state"] == "running")
        address = ("127.0.0.1", server.port)
        with asking(server) as results, socket.create_connection(address) as slow:
            slow.settimeout(PATIENCE_S)
            slow.sendall(head)
            for jump_s in (TEN_YEARS_S, -TEN_YEARS_S, 2 * TEN_YEARS_S):
                offset.write_text(str(jump_s))
                enough = len(results) + 40
                server.await_until(lambda enough=enough: len(results) >= enough)
                server.await_until(lambda jump_s=jump_s: is_dated(server, jump_s))
            # Half a request waited through it all.
            slow.sendall(b"\r\n")
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
        assert set(results) == {200}, server.log
        if way == "accelerator":
            assert accelerator(server)["state"] == "running"
            assert accelerator(server)["fallbacks"] == 0
        check_metrics(httpx.get(server.url + "/metrics", timeout=PATIENCE_S).text)
        assert server.stop() == 0
    check_log(server.log)


def accelerator(server: Any) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(server.url + "/readyz", timeout=60).json()["accelerator"]
    return found


def is_dated(server: Any, jump_s: int) -> bool:
    """Whether the answers' date is that of the wall clock."""
    date = parsedate_to_datetime(httpx.get(server.url + "/livez", timeout=60).headers["date"])
    return abs(date.timestamp() - time.time() - jump_s) < MOST_S


def check_metrics(text: str) -> None:
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert min(samples.values()) >= 0
    took = [value for (name, *_), value in samples.items() if name.endswith("_seconds_sum")]
    assert len(took) >= 2
    assert max(took) < MOST_S


def check_log(log: str) -> None:
    """Lines have the wall clock's times, durations have not."""
    # The engine has lines of its own.
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert not [line for line in lines if line["level"] == "error"], log
    found = [line for line in lines if line.get("status")]
    assert max(line["duration_ms"] for line in found) < MOST_S * 1000
    assert min(line["duration_ms"] for line in found) >= 0
    year = datetime.now(UTC).year
    years = {int(line["time"][:4]) - year for line in found}
    assert {10, -10, 20} <= years | {each + 1 for each in years} | {each - 1 for each in years}
