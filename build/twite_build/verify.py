"""The gate's judgement: whether a candidate answers what its source answers.

Exit code 0 of a converter says nothing: models were seen that convert, load and answer zeros, NaN
or the same for every input. A candidate therefore passes only on its answers, measured on the
serving engine.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from twite.errors import VerificationFailed
from twite.manifest import ClassPostprocessing, RegressionPostprocessing
from twite.tensors import Array, Tensors, TensorSpec, spell_shape
from twite_build import scores
from twite_build.errors import DataError, RecipeError
from twite_build.gate import Gate, metric_problem
from twite_build.measure import Answers
from twite_build.scores import Task, is_constant

TOLERANCE = {"fp32": 1e-4, "fp16": 0.02, "int8-dynamic": 0.02, "int8-static": 0.03}
"""The part of an output's range by which another machine may differ.

Other kernels add up in another order (fp32), hold activations in float16 (fp16), or round one or
two of the 256 steps elsewhere in every layer (int8: 3 % are 8 steps). A wrong kernel or file is
off by tens of percent.
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """What every candidate is compared with.

    outputs are the source framework's answers to the evaluation samples; edges names the rows of
    the edge inputs; golden are the evaluation rows that are measured one by one.
    """

    task: Task
    gate: Gate
    inputs: tuple[TensorSpec, ...]
    outputs: Tensors
    edges: tuple[str, ...]
    golden: tuple[int, ...]

    @property
    def metric(self) -> float | None:
        return scores.metric(self.task, self.outputs)


@dataclass(frozen=True, slots=True)
class Verdict:
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
        """One aligned line; what was not measured stays blank."""
        size = f"{self.size_bytes:>11,} bytes" if self.size_bytes else ""
        agreement = f"{task.agreement_name} {self.agreement:.4f}" if self.agreement else ""
        metric = f"{task.metric_name} {self.metric:.4f}" if self.metric is not None else ""
        latency = f"{self.latency_ms:8.3f} ms" if self.latency_ms else ""
        verdict = "passed" if self.passed else f"refused: {self.reason}"
        columns = f"{self.quantization:<12} {size:>17}  {agreement:<22}  {metric:<26} {latency:>11}"
        return f"{columns}  {verdict}"


def check_source(reference: Reference) -> None:
    """Raise VerificationFailed when the source itself cannot vouch for anything.

    A source no better than the best constant answer nearly always means that the recipe's
    preprocessing is not the one that the model was trained with.
    """
    task, outputs = reference.task, reference.outputs
    _check_outputs(task, outputs)
    problem = _nonfinite(outputs, "the evaluation samples") or _all_constant(task, outputs)
    if problem:
        raise VerificationFailed(f"the source model: {problem}")
    metric, baseline = reference.metric, scores.baseline(task)
    if metric is None or baseline is None:
        return
    is_useless = metric <= baseline if task.how.kind == "classes" else metric >= baseline
    if is_useless:
        best = "the most frequent class" if task.how.kind == "classes" else "the median"
        raise VerificationFailed(
            f"the source model's {task.metric_name} is {metric:.4g} on the evaluation samples; "
            f"always answering {best} has {baseline:.4g}: check [preprocess] and the targets"
        )


def activation_warning(reference: Reference) -> str | None:
    """A hint when confidences would not be probabilities, or be flattened by a second softmax."""
    how = reference.task.how
    if not isinstance(how, ClassPostprocessing) or how.activation == "sigmoid":
        return None
    scores_ = reference.outputs[how.output].astype(np.float64)
    sums = scores_.sum(axis=1)
    are_shares = (
        scores_.min() >= 0 and scores_.max() <= 1 + 1e-3 and np.allclose(sums, 1, atol=1e-2)
    )
    if how.activation == "softmax" and are_shares:
        return f"output '{how.output}' is a softmax already; a second one flattens confidences"
    if how.activation == "none" and not (scores_.min() >= 0 and scores_.max() <= 1 + 1e-3):
        return f"output '{how.output}' is no share of 1; set [postprocess] activation"
    return None


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
    problem = _nonfinite(answers.evaluation, "the evaluation samples")
    problem = problem or _nonfinite(answers.golden, "single samples")
    if problem:
        yield problem
        return
    for row, edge in enumerate(reference.edges):
        at_edge = {name: array[row : row + 1] for name, array in answers.edges.items()}
        if problem := _nonfinite(at_edge, edge):
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
    if problem := _all_constant(reference.task, outputs):
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


def _check_outputs(task: Task, outputs: Tensors) -> None:
    """Raise RecipeError unless [postprocess] and the target fit what the source answers."""
    for name in task.decisive_outputs or ():
        if name not in outputs:
            known = ", ".join(f"'{known}'" for known in outputs)
            raise RecipeError(f"[postprocess] output is '{name}'; the model's outputs are {known}")
        shape, classes = outputs[name].shape, len(task.labels)
        if isinstance(task.how, ClassPostprocessing) and shape[1:] != (classes,):
            raise RecipeError(
                f"output '{name}' is {spell_shape(shape)}; the recipe has {classes} labels"
            )
        if isinstance(task.how, RegressionPostprocessing) and task.target is not None:
            _check_columns(name, shape, task.target.shape)


def _check_columns(name: str, shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    columns = [(*form, 1)[1] for form in (shape, target)]
    if len(shape) > 2 or columns[0] != columns[1]:
        raise DataError(
            f"output '{name}' is {spell_shape(shape)}; the evaluation samples' target is "
            f"{spell_shape(target)}"
        )


def _all_constant(task: Task, outputs: Tensors) -> str | None:
    decisive = task.decisive_outputs or tuple(outputs)
    if all(is_constant(outputs[name]) for name in decisive):
        names = ", ".join(f"'{name}'" for name in decisive)
        return f"output {names} is the same for all evaluation samples"
    return None


def _nonfinite(outputs: Tensors, where: str) -> str | None:
    for name, array in outputs.items():
        if not np.isfinite(array).all():
            return f"output '{name}' is not finite for {where}"
    return None


def _sample_form(spec: TensorSpec) -> tuple[str, str, tuple[int, ...]]:
    return spec.name, spec.dtype, spec.shape[1:]


def _form(array: Array) -> str:
    return f"{spell_shape(array.shape)} {array.dtype}"


def _spell(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"'{spec.name}' {spec}" for spec in specs)
