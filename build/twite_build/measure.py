"""Measurements: what a candidate answers, and how fast, on the engine that serves it.

They run in a child process, for a model that makes the engine crash must end as a refusal.
"""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, cast

import numpy as np

from twite.child import run_in_child
from twite.engine import Engine
from twite.errors import EngineError
from twite.fields import from_table, to_table
from twite.tensors import Tensors, TensorSpec
from twite_build.scratch import load_tensors, save_tensors

BATCH = 64
WARM_UP, RUNS = 5, 50
LATENCY_BUDGET_S = 1.0
TIMEOUT_S = 3600.0


class Answers(NamedTuple):
    """Raw outputs for the evaluation samples in batches, and for edges and golden one by one."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    evaluation: Tensors
    edges: Tensors
    golden: Tensors
    latency_ms: float
    engine: str
    engine_version: str


def measure(model: Path, samples: Mapping[str, Path], folder: Path) -> Answers:
    """Run the candidate on the preprocessed sets 'evaluation', 'edges' and 'golden'.

    latency_ms is the median of single samples. Raises EngineError when the engine refuses the
    model and ChildFailed when it crashes in it.
    """
    answered = {name: folder / f"{model.stem}.{name}.npz" for name in samples}
    request = {
        "model": str(model),
        "samples": {name: str(path) for name, path in samples.items()},
        "answers": {name: str(path) for name, path in answered.items()},
    }
    told = run_in_child("twite_build.measure:measure_in_child", request, timeout_s=TIMEOUT_S)
    return Answers(
        inputs=_specs(told["inputs"]),
        outputs=_specs(told["outputs"]),
        **{name: load_tensors(path) for name, path in answered.items()},
        latency_ms=cast(float, told["latency_ms"]),
        engine=cast(str, told["engine"]),
        engine_version=cast(str, told["engine_version"]),
    )


def measure_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's side of `measure`."""
    engine = Engine(Path(request["model"]))
    _check_inputs(engine, load_tensors(Path(request["samples"]["golden"])))
    for name, path in request["samples"].items():
        step = BATCH if name == "evaluation" else 1
        answers = _run(engine, load_tensors(Path(path)), step)
        save_tensors(Path(request["answers"][name]), answers)
    golden = load_tensors(Path(request["samples"]["golden"]))
    return {
        "inputs": [to_table(spec) for spec in engine.inputs],
        "outputs": [to_table(spec) for spec in engine.outputs],
        "latency_ms": _latency_ms(engine, golden),
        "engine": engine.name,
        "engine_version": engine.version,
    }


def _check_inputs(engine: Engine, tensors: Tensors) -> None:
    names = {spec.name for spec in engine.inputs}
    if names != set(tensors):
        raise EngineError(
            f"the converted model takes {', '.join(sorted(names))}; its source takes "
            f"{', '.join(sorted(tensors))}"
        )
    for spec in engine.inputs:
        spec.check(tensors[spec.name])


def _run(engine: Engine, tensors: Tensors, step: int) -> Tensors:
    count = len(next(iter(tensors.values())))
    batches = [engine.run(_rows(tensors, i, i + step)) for i in range(0, count, step)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _latency_ms(engine: Engine, tensors: Tensors) -> float:
    """The median over runs of one sample, after a warm-up; slow models get fewer runs."""
    sample, times = _rows(tensors, 0, 1), [0.0]
    while len(times) <= WARM_UP + RUNS and sum(times) < LATENCY_BUDGET_S:
        start = perf_counter()
        engine.run(sample)
        times.append(perf_counter() - start)
    return float(np.median(times[WARM_UP:] or times[-1:]) * 1000)


def _rows(tensors: Tensors, start: int, stop: int) -> Tensors:
    return {name: array[start:stop] for name, array in tensors.items()}


def _specs(tables: list[object]) -> tuple[TensorSpec, ...]:
    return tuple(from_table(TensorSpec, table, "tensor", EngineError) for table in tables)
