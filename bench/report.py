"""Measure Twite beside a bare server and a bare script in the same run, and print a table.

python bench/report.py, on Linux, with dist/digits and dist/iris built.
"""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from accelerators import worker_costs
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
    rows = [throughput_row(), *start_rows(), *accelerator_rows()]
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
    return Row(name, f"{twite / bare:.0%}", "≥ 60 %", twite / bare >= 0.6)


def start_rows() -> list[Row]:
    twite_s, bare_s, rss_mb = start(DIST / "digits")
    print(f"digits: first right answer after {twite_s * 1000:.0f} ms; bare script ", end="")
    print(f"{bare_s * 1000:.0f} ms\n  median of {START_ROUNDS} rounds")
    ratio = twite_s / bare_s
    return [
        Row("start to the first answer × bare script", f"{ratio:.2f}", "≤ 1.60", ratio <= 1.6),
        Row("RSS of the idle server with digits", f"{rss_mb:.0f} MB", "≤ 60 MB", rss_mb <= 60),
    ]


def accelerator_rows() -> list[Row]:
    costs = worker_costs()
    print("accelerator: a delegate in the worker beside the same one in the process")
    tiny_us, picture_ms, killed_ms = (
        costs.tiny_s * 1e6,
        costs.picture_s * 1e3,
        costs.killed_s * 1e3,
    )
    return [
        Row("worker's cost for a tiny model", f"{tiny_us:.1f} µs", "≤ 15 µs", tiny_us <= 15),
        Row("worker's cost for 602 kB", f"{picture_ms:.2f} ms", "≤ 0.20 ms", picture_ms <= 0.2),
        Row("a killed worker beyond the CPU", f"{killed_ms:.1f} ms", "≤ 50 ms", killed_ms <= 50),
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
