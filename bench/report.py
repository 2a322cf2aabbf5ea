"""Measure Twite beside bare servers, scripts and peers in the same run, and print a table.

python bench/report.py [NAME…], on Linux, with the examples' bundles in dist/. NAME is one of
BENCHES; without one all are run.
"""

import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from row import Row

DIST = Path(__file__).parent.parent / "dist"

BENCHES = (
    "throughput",
    "latency",
    "start",
    "serving",
    "batches",
    "crowd",
    "build",
    "function",
    "accelerators",
    "images",
)
"""Modules beside this one with a function `rows(dist) -> list[Row]`."""

LONG = ("soak", "compare")
"""Run only by name: ten minutes, and servers that are not ours."""


def main(names: list[str]) -> int:
    print(f"{cpu()}, {cores()} cores, Python {platform.python_version()}", flush=True)
    rows = [row for name in names or BENCHES for row in bench(name)]
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  {'measured':>10}  {'target':>10}")
    for row in rows:
        mark = "ok" if row.is_met else "MISS"
        print(f"{row.name:{width}}  {row.value:>10}  {row.target:>10}  {mark}")
    return 0


def bench(name: str) -> list[Row]:
    if name not in BENCHES + LONG:
        raise SystemExit(f"there is no benchmark '{name}'; there are {', '.join(BENCHES + LONG)}")
    rows: list[Row] = import_module(name).rows(DIST)
    return rows


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def cores() -> int:
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
