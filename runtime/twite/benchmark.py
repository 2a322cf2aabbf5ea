"""Measure a model where it runs: latencies, throughput, heat; comparable between boards.

The samples are the bundle's golden inputs, so that every board computes the same.
"""

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import twite
from twite.model import Model
from twite.processors import memory_bytes, processors
from twite.thermal import Thermal, read_thermal

SCHEMA = 1
WARM_UP_S = 0.5
PERCENTILES = (50, 90, 95, 99)
BARS = " ▏▎▍▌▋▊▉█"


def measure(run: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each run, one after the other, for at least `seconds` and 10 runs."""
    end = perf_counter() + min(WARM_UP_S, seconds)
    while perf_counter() < end:
        run()
    took: list[float] = []
    begin = perf_counter()
    end = begin + seconds
    while begin < end or len(took) < 10:
        run()
        now = perf_counter()
        took.append(now - begin)
        begin = now
    return took


def bench_model(model: Model, seconds: float) -> dict[str, Any]:
    """The report of a bundle in this process; raises VerificationFailed when it is not right."""
    model.replay()
    before = read_thermal()
    inputs = {name: array[:1] for name, array in model.bundle.golden_inputs().items()}
    took = measure(lambda: model.infer(inputs), seconds)
    engine = model.engine
    return {
        **_subject(model.manifest.name, model.manifest.version, before),
        "quantization": model.manifest.quantization,
        "engine": f"{engine.name} {engine.version}",
        "xnnpack": engine.xnnpack,
        "threads": engine.threads,
        "accelerator": status.name if (status := engine.status()) else None,
        **summary(took),
    }


def bench_url(ask: Callable[[], object], url: str, seconds: float) -> dict[str, Any]:
    """The report of a server, whole requests over one connection."""
    before = read_thermal()
    return {**_subject(url, None, before), **summary(measure(ask, seconds))}


def _subject(name: str, version: str | None, before: Thermal) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "twite": twite.__version__,
        "model": name,
        "version": version,
        "machine": machine(),
        "before": before._asdict(),
    }


def machine() -> dict[str, Any]:
    """What compares: the board, its architecture and what of it this process may use."""
    return {
        "board": board(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processors": processors(),
        "memory_limit_bytes": memory_bytes(),
    }


def board(root: Path = Path("/")) -> str:
    """The name that the device tree has for the board, or the processor's."""
    tree = root / "proc/device-tree/model"
    if tree.exists():
        return tree.read_text().rstrip("\0\n")
    for line in (root / "proc/cpuinfo").read_text().splitlines():
        key, _, name = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return name.strip()
    return platform.machine()


def summary(took: Sequence[float]) -> dict[str, Any]:
    """Percentiles in milliseconds (nearest rank), runs a second, a histogram; heat afterwards."""
    ordered = sorted(took)
    ranks = {p: ordered[max(0, -(-len(ordered) * p // 100) - 1)] for p in PERCENTILES}
    return {
        "runs": len(ordered),
        "runs_per_s": len(ordered) / sum(ordered),
        "latency_ms": {
            "min": ordered[0] * 1000,
            **{f"p{p}": value * 1000 for p, value in ranks.items()},
            "max": ordered[-1] * 1000,
            "mean": sum(ordered) / len(ordered) * 1000,
        },
        "histogram": histogram(ordered),
        "after": read_thermal()._asdict(),
    }


def histogram(ordered: Sequence[float], bins: int = 10) -> list[dict[str, float]]:
    """Counts between the fastest run and the 99th percentile; the last bin has the slower ones."""
    low, high = ordered[0], ordered[int((len(ordered) - 1) * 0.99)]
    width = (high - low) / bins or 1e-9
    counts = [0] * bins
    for value in ordered:
        counts[min(bins - 1, int((value - low) / width))] += 1
    return [{"from_ms": (low + i * width) * 1000, "runs": count} for i, count in enumerate(counts)]


def bar(share: float, width: int = 30) -> str:
    """share, 0 to 1, as a bar of eighths of a character."""
    whole, eighths = divmod(round(share * width * 8), 8)
    return BARS[8] * whole + BARS[eighths].strip()


def compare(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, float, float, float]]:
    """Name, both values and second ÷ first of what both reports measured."""
    rows: list[tuple[str, float, float, float]] = []
    for name in ("min", *(f"p{p}" for p in PERCENTILES)):
        a, b = first["latency_ms"][name], second["latency_ms"][name]
        rows.append((f"{name} ms", a, b, b / a))
    a, b = first["runs_per_s"], second["runs_per_s"]
    return [*rows, ("runs/s", a, b, b / a)]
