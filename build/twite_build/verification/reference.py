"""The reference: the source framework's own answers, and whether they can vouch for anything."""

from typing import NamedTuple

import numpy as np

from twite.errors import VerificationFailed
from twite.manifest import BoxPostprocessing, ClassPostprocessing, RegressionPostprocessing
from twite.tensors import Tensors, TensorSpec, spell_shape
from twite_build.errors import DataError, RecipeError
from twite_build.verification import scores
from twite_build.verification.gate import ACCURACIES, Gate
from twite_build.verification.scores import Task, is_constant


class Reference(NamedTuple):
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


def check_source(reference: Reference) -> None:
    """Raise VerificationFailed when the source itself cannot vouch for anything.

    A source no better than the best constant answer nearly always means that the recipe's
    preprocessing is not the one that the model was trained with.
    """
    task, outputs = reference.task, reference.outputs
    _check_outputs(task, outputs)
    problem = nonfinite(outputs, "the evaluation samples") or all_constant(task, outputs)
    if problem:
        raise VerificationFailed(f"the source model: {problem}")
    metric, baseline = reference.metric, scores.baseline(task)
    if metric is None or baseline is None or "baseline" in reference.gate.switches:
        return
    is_accuracy = task.how.kind in ACCURACIES
    is_useless = metric <= baseline if is_accuracy else metric >= baseline
    if is_useless:
        best = "the most frequent class" if is_accuracy else "the median"
        raise VerificationFailed(
            f"the source model's {task.metric_name} is {metric:.4g} on the evaluation samples; "
            f"always answering {best} has {baseline:.4g}: check [preprocess] and the targets"
        )


def activation_warning(reference: Reference) -> str | None:
    """A hint when confidences would not be probabilities, or be flattened by a second softmax."""
    how = reference.task.how
    if not isinstance(how, ClassPostprocessing) or how.activation == "sigmoid":
        return None
    shares = reference.outputs[how.output].astype(np.float64)
    is_in_range = bool(shares.min() >= 0 and shares.max() <= 1.001)
    if how.activation == "none" and not is_in_range:
        return f"output '{how.output}' is no share of 1; set [postprocess] activation"
    is_softmax = is_in_range and np.allclose(shares.sum(axis=1), 1, atol=0.01)
    if how.activation == "softmax" and is_softmax:
        return f"output '{how.output}' is a softmax already; a second one flattens confidences"
    return None


def all_constant(task: Task, outputs: Tensors) -> str | None:
    decisive = task.decisive_outputs or tuple(outputs)
    if all(is_constant(outputs[name]) for name in decisive):
        names = ", ".join(f"'{name}'" for name in decisive)
        return f"output {names} is the same for all evaluation samples"
    return None


def nonfinite(outputs: Tensors, where: str) -> str | None:
    for name, array in outputs.items():
        if not np.isfinite(array).all():
            return f"output '{name}' is not finite for {where}"
    return None


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
    _check_boxes(task, outputs)


def _check_boxes(task: Task, outputs: Tensors) -> None:
    how, scene = task.how, task.scene
    if not isinstance(how, BoxPostprocessing) or scene is None:
        return
    boxes, scores, count = outputs[how.boxes].shape, outputs[how.scores].shape, len(scene.anchors)
    if boxes[1:2] != (count,) or len(boxes) != 3 or boxes[2] < 4 or scores[1:2] != (count,):
        raise RecipeError(
            f"output '{how.boxes}' is {spell_shape(boxes)} and '{how.scores}' "
            f"{spell_shape(scores)}; the recipe has {count} anchors"
        )


def _check_columns(name: str, shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    columns = [(*form, 1)[1] for form in (shape, target)]
    if len(shape) > 2 or columns[0] != columns[1]:
        raise DataError(
            f"output '{name}' is {spell_shape(shape)}; the evaluation samples' target is "
            f"{spell_shape(target)}"
        )
