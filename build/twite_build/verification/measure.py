"""Measurements: what a candidate answers, and in how much memory, on the engine that serves it.

They run in a child process, for a model that makes the engine crash must end as a refusal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from twite.child import run_in_child
from twite.engine import Engine
from twite.errors import EngineError
from twite.fields import from_table, to_table
from twite.quantized import dequantize, quantize
from twite.tensors import Tensors, TensorSpec
from twite_build.parallel import OnStart
from twite_build.scratch import load_tensors, save_tensors
from twite_build.verification.engines import EnginePlace

BATCH = 64
CHILD = "twite_build.verification.measure:measure_in_child"


class Answers(NamedTuple):
    """Raw outputs for the evaluation samples in batches, and for edges and golden one by one.

    rss_bytes is the resident memory of a process that has loaded the model and answered once.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    evaluation: Tensors
    edges: Tensors
    golden: Tensors
    rss_bytes: int
    engine: str
    engine_version: str

    def real(self, tensors: Tensors) -> Tensors:
        """Raw outputs as the values that they stand for."""
        return dequantize(tensors, self.outputs)


def measure(
    model: Path,
    samples: Mapping[str, Path],
    folder: Path,
    place: EnginePlace,
    timeout_s: float,
    on_start: OnStart | None = None,
    signature: str | None = None,
) -> Answers:
    """Run the candidate on the preprocessed sets 'evaluation', 'edges' and 'golden'.

    signature names the one that is run where the model has several. Raises EngineError when the
    engine refuses the model and ChildFailed when it crashes in it.
    """
    answered = {name: folder / f"{model.stem}.{name}.npz" for name in samples}
    request = {
        "model": str(model),
        "signature": signature,
        "samples": {name: str(path) for name, path in samples.items()},
        "answers": {name: str(path) for name, path in answered.items()},
    }
    told = run_in_child(
        CHILD, request, timeout_s=timeout_s, on_start=on_start, python=place.command
    )
    return Answers(
        inputs=_specs(told["inputs"]),
        outputs=_specs(told["outputs"]),
        **{name: load_tensors(path) for name, path in answered.items()},
        rss_bytes=cast(int, told["rss_bytes"]),
        engine=place.engine,
        engine_version=cast(str, told["engine_version"]),
    )


def measure_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's side of `measure`; one thread, for several candidates are measured at once."""
    engine = Engine(Path(request["model"]), threads=1, signature=request["signature"])
    golden = load_tensors(Path(request["samples"]["golden"]))
    _check_inputs(engine, golden)
    _run(engine, _rows(golden, 0, 1), 1)
    rss_bytes = _rss_bytes()
    for name, path in request["samples"].items():
        step = BATCH if name == "evaluation" else 1
        answers = _run(engine, load_tensors(Path(path)), step)
        save_tensors(Path(request["answers"][name]), answers)
    return {
        "inputs": [to_table(spec) for spec in engine.inputs],
        "outputs": [to_table(spec) for spec in engine.outputs],
        "rss_bytes": rss_bytes,
        "engine_version": engine.version,
    }


def _check_inputs(engine: Engine, tensors: Tensors) -> None:
    names = {spec.name for spec in engine.inputs}
    if names != set(tensors):
        raise EngineError(
            f"the converted model takes {', '.join(sorted(names))}; its source takes "
            f"{', '.join(sorted(tensors))}"
        )
    taken = quantize(tensors, engine.inputs)
    for spec in engine.inputs:
        spec.check(taken[spec.name])


def _run(engine: Engine, tensors: Tensors, step: int) -> Tensors:
    count = len(next(iter(tensors.values())))
    batches = [
        engine.run(quantize(_rows(tensors, i, i + step), engine.inputs))
        for i in range(0, count, step)
    ]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _rss_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def _rows(tensors: Tensors, start: int, stop: int) -> Tensors:
    return {name: array[start:stop] for name, array in tensors.items()}


def _specs(tables: list[object]) -> tuple[TensorSpec, ...]:
    return tuple(from_table(TensorSpec, table, "tensor", EngineError) for table in tables)
