"""The gate's judgement: whether a candidate answers what its source answers.

Exit code 0 of a converter says nothing: models were seen that convert, load and answer zeros, NaN
or the same for every input. A candidate therefore passes only on its answers, measured on the
serving engine.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from twite.tensors import Array, Tensors, TensorSpec, spell_shape
from twite_build.quantization.layers import LayerError
from twite_build.verification import scores
from twite_build.verification.gate import further_problem, metric_problem
from twite_build.verification.measure import Answers
from twite_build.verification.reference import Reference, all_constant, nonfinite
from twite_build.verification.scores import Task, is_constant

CONFIDENT = "agreement where the source is confident"
TOP5 = "top-5 agreement"
ERROR = "largest error"

TOLERANCE = {
    "fp32": 1e-4,
    "fp16": 0.02,
    "int8-weights": 0.02,
    "int8-dynamic": 0.02,
    "int4-blockwise": 0.02,
    "int8-static": 0.03,
    "int8-mixed": 0.03,
}
"""The part of an output's range by which another machine may differ.

Other kernels add up in another order (fp32), hold activations in float16 (fp16), or round one or
two of the 256 steps elsewhere in every layer (int8: 3 % are 8 steps). A wrong kernel or file is
off by tens of percent.
"""


class Score(NamedTuple):
    """One more number that was measured, by its name."""

    name: str
    value: float


class Verdict(NamedTuple):
    """passed, or the reason why not; what could not be measured is None.

    agreement and metric are the two that the gate is named after, scores everything else that was
    measured against the source and against the truth, by name. layers are the errors of a static
    model's layers, float_layers those that were left float because of them.
    """

    quantization: str
    reason: str | None
    size_bytes: int | None = None
    agreement: float | None = None
    metric: float | None = None
    latency_ms: float | None = None
    p99_ms: float | None = None
    rss_bytes: int | None = None
    scores: tuple[Score, ...] = ()
    layers: tuple[LayerError, ...] = ()
    float_layers: tuple[str, ...] = ()

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
        if self.float_layers:
            columns.append(f"{len(self.float_layers)} left float")
        if self.reason is not None:
            columns.append(self.reason)
        return "  ".join(columns)


def judge(quantization: str, answers: Answers, reference: Reference) -> Verdict:
    """Compare a candidate's answers with the source's and with the right ones."""
    problems = list(_shape_problems(answers, reference)) or list(
        _value_problems(quantization, answers, reference)
    )
    verdict = Verdict(quantization, None, rss_bytes=answers.rss_bytes)
    if not problems:
        verdict = scored(verdict, answers.real(answers.evaluation), reference)
        problems = list(score_problems(verdict, reference))
    return verdict._replace(reason="; ".join(problems) or None)


def scored(verdict: Verdict, outputs: Tensors, reference: Reference) -> Verdict:
    """The verdict with every score of the dequantized outputs; reason stays as it is."""
    task, source = reference.task, reference.outputs
    found = {
        CONFIDENT: scores.confident_agreement(task, outputs, source),
        TOP5: scores.top5_agreement(task, outputs, source),
        ERROR: scores.maximum_error(task, outputs, source),
        "cosine": scores.cosine(task, outputs, source),
        **scores.further_metrics(task, outputs),
    }
    return verdict._replace(
        agreement=scores.agreement(task, outputs, source),
        metric=scores.metric(task, outputs),
        scores=tuple(Score(name, value) for name, value in found.items() if value is not None),
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
    outputs = answers.real(answers.evaluation)
    if set(outputs) != set(reference.outputs):
        came, wanted = (", ".join(sorted(x)) for x in (outputs, reference.outputs))
        yield f"outputs are {came}; the source has {wanted}"
        return
    for name, wanted_array in reference.outputs.items():
        came_array = outputs[name]
        if _form(came_array) != _form(wanted_array):
            yield f"output '{name}' is {_form(came_array)}; the source's is {_form(wanted_array)}"


def _value_problems(quantization: str, answers: Answers, reference: Reference) -> Iterator[str]:
    problem = nonfinite(answers.evaluation, "the evaluation samples")
    problem = problem or nonfinite(answers.golden, "single samples")
    if problem:
        yield problem
        return
    if "edges" not in reference.gate.switches:
        for row, edge in enumerate(reference.edges):
            at_edge = {name: array[row : row + 1] for name, array in answers.edges.items()}
            if problem := nonfinite(at_edge, edge):
                yield problem
                return
    yield from _constant_problems(answers.real(answers.evaluation), reference)
    allowed = tolerance(quantization, answers.evaluation)
    for name, alone in answers.golden.items():
        together = answers.evaluation[name][list(reference.golden)].astype(np.float64)
        off = float(np.abs(alone - together).max(initial=0.0))
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


def score_problems(verdict: Verdict, reference: Reference) -> Iterator[str]:
    """Every limit of the gate that the measured scores do not keep."""
    task, gate, found = reference.task, reference.gate, dict(verdict.scores)
    if verdict.agreement is None or not verdict.agreement >= gate.agreement:
        came = "unknown" if verdict.agreement is None else f"{verdict.agreement:.4f}"
        yield f"{task.agreement_name} {came}, at least {gate.agreement:g} wanted"
    for name, least in ((CONFIDENT, gate.confident), (TOP5, gate.top5)):
        if least is not None and name in found and not found[name] >= least:
            yield f"{name} {found[name]:.4f}, at least {least:g} wanted"
    if gate.error is not None and not found.get(ERROR, 0.0) <= gate.error:
        yield f"{ERROR} {found[ERROR]:.4f} of the range, at most {gate.error:g} allowed"
    yield from _metric_problems(verdict, reference)


def _metric_problems(verdict: Verdict, reference: Reference) -> Iterator[str]:
    task, gate = reference.task, reference.gate
    source, baseline = reference.metric, scores.baseline(task)
    if verdict.metric is None or source is None or baseline is None:
        return
    if problem := metric_problem(gate, task.how.kind, verdict.metric, source, baseline):
        yield problem
    wanted = scores.further_metrics(task, reference.outputs)
    for name, number in wanted.items():
        came = dict(verdict.scores)[name]
        if problem := further_problem(gate, task.how.kind, name, came, number, baseline):
            yield problem


def _sample_form(spec: TensorSpec) -> tuple[str, str, tuple[int, ...]]:
    """Integers that stand for real values are as good as these."""
    return spec.name, "float32" if spec.quantization else spec.dtype, spec.shape[1:]


def _form(array: Array) -> str:
    return f"{spell_shape(array.shape)} {array.dtype}"


def _spell(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"'{spec.name}' {spec}" for spec in specs)
