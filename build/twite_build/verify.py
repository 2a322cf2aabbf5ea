"""The gate's judgement: whether a candidate answers what its source answers.

Exit code 0 of a converter says nothing: models were seen that convert, load and answer zeros, NaN
or the same for every input. A candidate therefore passes only on its answers, measured on the
serving engine.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from twite.tensors import Array, Tensors, TensorSpec, spell_shape
from twite_build import scores
from twite_build.gate import metric_problem
from twite_build.measure import Answers
from twite_build.reference import Reference, all_constant, nonfinite
from twite_build.scores import Task, is_constant

TOLERANCE = {"fp32": 1e-4, "fp16": 0.02, "int8-dynamic": 0.02, "int8-static": 0.03}
"""The part of an output's range by which another machine may differ.

Other kernels add up in another order (fp32), hold activations in float16 (fp16), or round one or
two of the 256 steps elsewhere in every layer (int8: 3 % are 8 steps). A wrong kernel or file is
off by tens of percent.
"""


class Verdict(NamedTuple):
    """passed, or the reason why not; what could not be measured is None."""

    quantization: str
    reason: str | None
    size_bytes: int | None = None
    agreement: float | None = None
    metric: float | None = None
    latency_ms: float | None = None

    @property
    def passed(self) -> bool:
        return self.reason is None

    def spell(self, task: Task) -> str:
        """One line, the columns aligned; what was not measured is left out."""
        columns = [f"{self.quantization:<12}", "passed " if self.passed else "refused"]
        if self.size_bytes is not None:
            columns.append(f"{self.size_bytes:>11,} bytes")
        if self.agreement is not None:
            columns.append(f"{task.agreement_name} {self.agreement:.4f}")
        if self.metric is not None:
            columns.append(f"{task.metric_name} {self.metric:.4f}")
        if self.latency_ms is not None:
            columns.append(f"{self.latency_ms:.3g} ms")
        if self.reason is not None:
            columns.append(self.reason)
        return "  ".join(columns)


def judge(quantization: str, answers: Answers, reference: Reference) -> Verdict:
    """Compare a candidate's answers with the source's and with the right ones."""
    problems = list(_shape_problems(answers, reference)) or list(
        _value_problems(quantization, answers, reference)
    )
    agreement = metric = None
    if not problems:
        agreement = scores.agreement(reference.task, answers.evaluation, reference.outputs)
        metric = scores.metric(reference.task, answers.evaluation)
        problems = list(_score_problems(agreement, metric, reference))
    return Verdict(
        quantization,
        "; ".join(problems) or None,
        agreement=agreement,
        metric=metric,
        latency_ms=answers.latency_ms,
    )


def tolerance(quantization: str, outputs: Tensors) -> dict[str, float]:
    """The largest absolute difference another machine may show, by output (TOLERANCE)."""
    return {
        name: TOLERANCE[quantization] * max(float(np.ptp(array.astype(np.float64))), 1e-6)
        for name, array in outputs.items()
    }


def _shape_problems(answers: Answers, reference: Reference) -> Iterator[str]:
    if {_sample_form(spec) for spec in answers.inputs} != {
        _sample_form(spec) for spec in reference.inputs
    }:
        yield f"inputs are {_spell(answers.inputs)}; the source has {_spell(reference.inputs)}"
    if set(answers.evaluation) != set(reference.outputs):
        came, wanted = (", ".join(sorted(x)) for x in (answers.evaluation, reference.outputs))
        yield f"outputs are {came}; the source has {wanted}"
        return
    for name, wanted_array in reference.outputs.items():
        came_array = answers.evaluation[name]
        if _form(came_array) != _form(wanted_array):
            yield f"output '{name}' is {_form(came_array)}; the source's is {_form(wanted_array)}"


def _value_problems(quantization: str, answers: Answers, reference: Reference) -> Iterator[str]:
    problem = nonfinite(answers.evaluation, "the evaluation samples")
    problem = problem or nonfinite(answers.golden, "single samples")
    if problem:
        yield problem
        return
    for row, edge in enumerate(reference.edges):
        at_edge = {name: array[row : row + 1] for name, array in answers.edges.items()}
        if problem := nonfinite(at_edge, edge):
            yield problem
            return
    yield from _constant_problems(answers.evaluation, reference)
    allowed = tolerance(quantization, answers.evaluation)
    for name, alone in answers.golden.items():
        together = answers.evaluation[name][list(reference.golden)]
        off = float(np.abs(alone.astype(np.float64) - together).max(initial=0.0))
        if off > allowed[name]:
            yield f"output '{name}' of one sample changes by {off:.3g} with the rest of its batch"


def _constant_problems(outputs: Tensors, reference: Reference) -> Iterator[str]:
    """Outputs that vary in the source and not in the candidate; equal constants are no evidence."""
    if problem := all_constant(reference.task, outputs):
        yield problem
        return
    for name, array in outputs.items():
        wanted = reference.outputs[name]
        if is_constant(wanted):
            scale = float(np.abs(wanted.astype(np.float64)).max(initial=0.0))
            if not np.allclose(array, wanted, rtol=0.02, atol=0.02 * scale):
                yield f"output '{name}' is constant in the source and another value here"
        elif is_constant(array):
            yield f"output '{name}' is the same for all evaluation samples"


def _score_problems(agreement: float, metric: float | None, reference: Reference) -> Iterator[str]:
    task, gate = reference.task, reference.gate
    if not agreement >= gate.agreement:
        yield f"{task.agreement_name} {agreement:.4f}, at least {gate.agreement:g} wanted"
    source, baseline = reference.metric, scores.baseline(task)
    if metric is None or source is None or baseline is None:
        return
    if problem := metric_problem(gate, task.how.kind, metric, source, baseline):
        yield problem


def _sample_form(spec: TensorSpec) -> tuple[str, str, tuple[int, ...]]:
    return spec.name, spec.dtype, spec.shape[1:]


def _form(array: Array) -> str:
    return f"{spell_shape(array.shape)} {array.dtype}"


def _spell(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"'{spec.name}' {spec}" for spec in specs)
