"""Overload: many more requests than the server can compute.

What is answered must be as much as without the crowd and within the deadline, the rest must be
refused quickly, and health must answer all the while.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from heavy import heavy_bundle
from row import Row, at_least, at_most
from servers import ask, environment, first_answer, free_port, running, twite_serve
from start import rss_mb

HERE = Path(__file__).parent
DEADLINE_S = 0.5
PEAK_CLIENTS, CROWD_CLIENTS = 8, 256
PEAK_S, CLOSED_S, OPEN_S = 8.0, 15.0, float(os.environ.get("BENCH_OPEN_S", "60"))
BODY, JSON = b'{"features": [[1, 2, 3, 4, 5, 6, 7, 8]]}', "application/json"
REFUSED = (503, 504)


def rows(dist: Path) -> list[Row]:
    port = free_port()
    command = [*twite_serve(heavy_bundle(dist), port), "--deadline-s", str(DEADLINE_S)]
    with running(command) as server:
        first_answer(server, port, BODY, JSON)
        clients(port, 2.0, "closed", PEAK_CLIENTS)
        peak = clients(port, PEAK_S, "closed", PEAK_CLIENTS)
        rate = len(peak[200]) / PEAK_S
        before = rss_mb(server.pid)
        closed = clients(port, CLOSED_S, "closed", CROWD_CLIENTS)
        recovery = recovery_s(port)
        opened = clients(port, OPEN_S, "open", 10 * rate)
        after = rss_mb(server.pid)
    print(f"heavy: {rate:,.0f} requests/s of {PEAK_CLIENTS} clients")
    return [
        *crowd_rows(f"{CROWD_CLIENTS} clients", closed, CLOSED_S, rate),
        *crowd_rows("10 × the capacity", opened, OPEN_S, rate),
        at_most("memory after the crowds × before", after / before, 1.1),
        at_most("answer after the crowd has left", recovery * 1000, 200, "ms", 0),
    ]


def crowd_rows(name: str, took: dict[int, list[float]], seconds: float, rate: float) -> list[Row]:
    answered = took.get(200, [])
    refused = [each for status in REFUSED for each in took.get(status, [])]
    lost = len(took.get(0, []))
    print(f"{name}: {len(answered):,} answered, {len(refused):,} refused, {lost:,} lost")
    return [
        at_least(f"{name}: answers × the peak", len(answered) / seconds / rate, 0.9),
        at_most(f"{name}: p99 of answers × the deadline", p99(answered) / DEADLINE_S, 1.0),
        at_most(f"{name}: p99 of refusals", p99(refused) * 1000, 50, "ms", 1),
        at_most(f"{name}: p99 of health", p99(took.get(-1, [])) * 1000, 50, "ms", 1),
    ]


def p99(took_s: list[float]) -> float:
    return float(np.percentile(took_s, 99)) if took_s else 0.0


def recovery_s(port: int) -> float:
    """How long the first request takes once the crowd has left."""
    begin = time.perf_counter()
    status, _ = ask(port, BODY, JSON)
    return time.perf_counter() - begin if status == 200 else float("inf")


def clients(port: int, seconds: float, how: str, size: float) -> dict[int, list[float]]:
    command = [sys.executable, str(HERE / "clients.py"), str(port), str(seconds), how, str(size)]
    printed = subprocess.run(
        command, env=environment(), check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return {int(status): took for status, took in json.loads(printed)["took_s"].items()}
