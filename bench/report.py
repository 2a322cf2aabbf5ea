"""Measure Twite beside a bare server and a bare script in the same run, and print a table.

python bench/report.py, on Linux, with dist/digits and dist/iris built.
"""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from latency import latency
from start import ROUNDS as START_ROUNDS
from start import start
from throughput import CONNECTIONS, ROUND_S, ROUNDS, loader, throughput

DIST = Path(__file__).parent.parent / "dist"


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    value: str
    target: str
    is_met: bool


def main() -> int:
    print(f"{cpu()}, {cores()} cores, Python {platform.python_version()}", flush=True)
    rows = [throughput_row(), latency_row(), *start_rows()]
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  {'measured':>10}  {'target':>10}")
    for row in rows:
        mark = "ok" if row.is_met else "MISS"
        print(f"{row.name:{width}}  {row.value:>10}  {row.target:>10}  {mark}")
    return 0


def throughput_row() -> Row:
    twite, bare = throughput(DIST / "iris")
    print(f"iris: {twite:,.0f} requests/s; bare ASGI app {bare:,.0f}")
    print(f"  {loader()}, {CONNECTIONS} connections, median of {ROUNDS} rounds of {ROUND_S:.0f} s")
    name = "requests/s of the bare ASGI app"
    return Row(name, f"{twite / bare:.0%}", "≥ 80 %", twite / bare >= 0.8)


def latency_row() -> Row:
    twite_s, bare_s = latency(DIST / "iris")
    print(f"iris, one client: median {twite_s * 1e6:.0f} µs; bare ASGI app {bare_s * 1e6:.0f} µs")
    added_us = (twite_s - bare_s) * 1e6
    name = "median added to the bare ASGI app's"
    return Row(name, f"{added_us:.0f} µs", "≤ 25 µs", added_us <= 25)


def start_rows() -> list[Row]:
    twite_s, bare_s, rss_mb = start(DIST / "digits")
    print(f"digits: first right answer after {twite_s * 1000:.0f} ms; bare script ", end="")
    print(f"{bare_s * 1000:.0f} ms\n  median of {START_ROUNDS} rounds")
    ratio = twite_s / bare_s
    return [
        Row("start to the first answer × bare script", f"{ratio:.2f}", "≤ 1.60", ratio <= 1.6),
        Row("RSS of the idle server with digits", f"{rss_mb:.0f} MB", "≤ 60 MB", rss_mb <= 60),
    ]


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
