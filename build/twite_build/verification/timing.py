"""Latency: every candidate in one process, one after the other, so that noise hits all alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from twite.child import run_in_child
from twite.engine import Engine
from twite.errors import ChildFailed, EngineError
from twite.interpreters import WIDE_FROM_S
from twite.quantized import quantize
from twite.tensors import Tensors
from twite_build.scratch import load_tensors
from twite_build.verification.engines import EnginePlace

CHILD = "twite_build.verification.timing:time_in_child"
TRIES, WARM_UP, ROUNDS, AT_LEAST = 3, 5, 200, 20
BUDGET_S = 1.5
SAME, SAME_MS = 1.1, 0.05
"""Two medians within a tenth, or within 0.05 ms, are the same: the rest of a request takes more."""


class Latency(NamedTuple):
    """Milliseconds of one sample, from setting the input to reading the output."""

    median_ms: float
    p99_ms: float


def time_all(
    models: Sequence[Path],
    golden: Path,
    place: EnginePlace,
    timeout_s: float,
    signature: str | None = None,
) -> list[Latency | None]:
    """The latency of each model on the preprocessed golden samples; None where that failed.

    All of them answered before. A crash of one here leaves them to be timed one by one.
    """
    named = [str(model) for model in models]
    request = {"models": named, "samples": str(golden), "signature": signature}
    try:
        told = run_in_child(CHILD, request, timeout_s=timeout_s, python=place.command)
    except (ChildFailed, EngineError):
        if len(models) == 1:
            return [None]
        alone = [time_all([model], golden, place, timeout_s, signature) for model in models]
        return [found[0] for found in alone]
    return [Latency(*pair) for pair in told["latencies"]]


def fastest(latencies: Sequence[float]) -> list[int]:
    """The places of those that are as fast as the fastest, in their order."""
    best = min(latencies)
    return [i for i, each in enumerate(latencies) if each <= max(best * SAME, best + SAME_MS)]


def time_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's side: rounds of one run each; slow models get fewer rounds."""
    tensors = load_tensors(Path(request["samples"]))
    first = {name: array[:1] for name, array in tensors.items()}
    signature = request["signature"]
    engines = [_as_served(Path(model), first, signature) for model in request["models"]]
    samples = [quantize(first, engine.inputs) for engine in engines]
    times: list[list[float]] = [[] for _ in engines]
    until = perf_counter() + BUDGET_S * len(engines)
    for count in range(WARM_UP + ROUNDS):
        if count >= WARM_UP + AT_LEAST and perf_counter() > until:
            break
        for engine, sample, kept in zip(engines, samples, times, strict=True):
            kept.append(_run_s(engine, sample) * 1000)
    return {"latencies": [np.percentile(kept[WARM_UP:], (50, 99)).tolist() for kept in times]}


def _as_served(model: Path, first: Tensors, signature: str | None) -> Engine:
    """With all cores, or with one where the server would take one for a request that is alone.

    A run of microseconds on two cores waits for the second, for as long as somebody else has it.
    """
    narrow = Engine(model, threads=1, signature=signature)
    sample = quantize(first, narrow.inputs)
    if any(_run_s(narrow, sample) < WIDE_FROM_S for _ in range(TRIES)):
        return narrow
    return Engine(model, signature=signature)


def _run_s(engine: Engine, sample: Tensors) -> float:
    start = perf_counter()
    engine.run(sample)
    return perf_counter() - start
