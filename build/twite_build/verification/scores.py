"""Scores of raw outputs, through the runtime's own postprocessing.

The agreement says how far a candidate answers what its source answers; the metric how right the
answers are. Both are needed: int8 models were seen that lose no accuracy and still disagree with
their source on every fifth sample.
"""

from typing import Any, NamedTuple

import numpy as np

from twite.frames import Scene
from twite.manifest import (
    BoxPostprocessing,
    ClassPostprocessing,
    Postprocessing,
    RegressionPostprocessing,
)
from twite.postprocess import confidences, postprocess
from twite.tensors import Array, Tensors
from twite_build.verification.detections import (
    Found,
    detection_accuracy,
    detection_agreement,
    presence_baseline,
)

METRICS = {
    "classes": "accuracy",
    "regression": "mean absolute error",
    "boxes": "detection accuracy",
}
AGREEMENTS = {"classes": "top-1 agreement", "boxes": "detection agreement"}

CONFIDENT = 0.5
TOP = 5
F1, TOP5, RMSE = "F1", "top-5 accuracy", "RMSE"


class Task(NamedTuple):
    """What the outputs mean.

    target is None where the recipe's task has none, scene where it has no boxes.
    """

    how: Postprocessing
    labels: tuple[str, ...] = ()
    target: Array | None = None
    scene: Scene | None = None

    @property
    def metric_name(self) -> str | None:
        return METRICS.get(self.how.kind)

    @property
    def agreement_name(self) -> str:
        return AGREEMENTS.get(self.how.kind, "R²")

    @property
    def decisive_outputs(self) -> tuple[str, ...] | None:
        """The outputs that an answer is made from; None for all."""
        how = self.how
        if isinstance(how, ClassPostprocessing | RegressionPostprocessing):
            return (how.output,)
        return (how.boxes, how.scores) if isinstance(how, BoxPostprocessing) else None


def agreement(task: Task, candidate: Tensors, source: Tensors) -> float:
    """Classes: the share of samples with the same first class. Otherwise the smallest R² of the
    candidate against the source over all values that are not constant in the source.

    A cosine would not see a wrong scale or, in outputs with a large mean, anything at all.
    """
    if isinstance(task.how, ClassPostprocessing):
        same = predictions(task, candidate) == predictions(task, source)
        return float(np.mean(same))
    if isinstance(task.how, RegressionPostprocessing):
        return _worst_r_squared(predictions(task, candidate), predictions(task, source))
    if isinstance(task.how, BoxPostprocessing):
        return detection_agreement(detections(task, candidate), detections(task, source))
    return min(
        _r_squared(candidate[name], source[name])
        for name in source
        if not is_constant(source[name])
    )


def confident_agreement(task: Task, candidate: Tensors, source: Tensors) -> float | None:
    """The share of the same first class where the source is at least CONFIDENT sure of it.

    None where it never is, and for tasks without confidences.
    """
    how = task.how
    if not isinstance(how, ClassPostprocessing):
        return None
    sure = confidences(source[how.output], how).max(axis=1) >= CONFIDENT
    if not sure.any():
        return None
    same = predictions(task, candidate) == predictions(task, source)
    return float(np.mean(same[sure]))


def top5_agreement(task: Task, candidate: Tensors, source: Tensors) -> float | None:
    """The share of samples whose first class in the source is among the candidate's first five."""
    if not isinstance(task.how, ClassPostprocessing) or len(task.labels) <= TOP:
        return None
    return _in_top(task.how, candidate, predictions(task, source))


def maximum_error(task: Task, candidate: Tensors, source: Tensors) -> float:
    """The largest difference of one value of an output, over that output's range in the source."""
    worst = 0.0
    for name in task.decisive_outputs or source:
        wanted = source[name].astype(np.float64)
        spread = float(np.ptp(wanted)) or 1.0
        worst = max(worst, float(np.abs(candidate[name] - wanted).max(initial=0.0)) / spread)
    return worst


def cosine(task: Task, candidate: Tensors, source: Tensors) -> float:
    """The smallest cosine of one sample's output with the source's."""
    found = [1.0]
    for name in task.decisive_outputs or source:
        c, s = (x[name].reshape(len(x[name]), -1).astype(np.float64) for x in (candidate, source))
        lengths = np.linalg.norm(c, axis=1) * np.linalg.norm(s, axis=1)
        cosines = (c * s).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
        found.append(float(cosines.min(initial=1.0)))
    return min(found)


def further_metrics(task: Task, outputs: Tensors) -> dict[str, float]:
    """What is known of the right answers beside `metric`, by name."""
    target, how = task.target, task.how
    if target is None or task.metric_name is None or isinstance(how, BoxPostprocessing):
        return {}
    answers = predictions(task, outputs)
    if isinstance(how, ClassPostprocessing):
        found = {F1: f1(answers, target)}
        if len(task.labels) > TOP:
            found[TOP5] = _in_top(how, outputs, target)
        return found
    missed = answers - target.reshape(answers.shape)
    spread = float(np.sum((target - target.mean(axis=0)) ** 2))
    found = {RMSE: float(np.sqrt(np.mean(missed**2)))}
    return found | ({"R² of the target": 1 - float(np.sum(missed**2)) / spread} if spread else {})


def f1(answers: Array, target: Array) -> float:
    """The mean over the classes that occur of 2·TP / (2·TP + FP + FN) (macro F1)."""
    found = []
    for number in np.unique(target):
        right = np.sum((answers == number) & (target == number))
        found.append(2 * right / (np.sum(answers == number) + np.sum(target == number)))
    return float(np.mean(found))


def _in_top(how: ClassPostprocessing, outputs: Tensors, wanted: Array) -> float:
    best = np.argsort(-confidences(outputs[how.output], how), axis=1, kind="stable")[:, :TOP]
    return float(np.mean((best == wanted[:, None]).any(axis=1)))


def metric(task: Task, outputs: Tensors) -> float | None:
    """Classes: the share of right answers. Regression: the mean absolute error."""
    if task.target is None or task.metric_name is None:
        return None
    if isinstance(task.how, BoxPostprocessing):
        return detection_accuracy(detections(task, outputs), task.target)
    answers = predictions(task, outputs)
    if isinstance(task.how, ClassPostprocessing):
        return float(np.mean(answers == task.target))
    return float(np.mean(np.abs(answers - task.target.reshape(answers.shape))))


def baseline(task: Task) -> float | None:
    """The metric of the best answer that ignores its input: the largest class or the median."""
    target = task.target
    if target is None or task.metric_name is None:
        return None
    if isinstance(task.how, BoxPostprocessing):
        return presence_baseline(target)
    if isinstance(task.how, ClassPostprocessing):
        return float(np.bincount(target.astype(np.int64)).max() / len(target))
    return float(np.mean(np.abs(target - np.median(target, axis=0))))


def predictions(task: Task, outputs: Tensors) -> Array:
    """Class numbers (N,), or values (N,) or (N, targets) before they are rounded for display."""
    how = task.how
    if isinstance(how, ClassPostprocessing):
        answers = postprocess(outputs, how._replace(top_k=1), task.labels)
        number = {label: i for i, label in enumerate(task.labels)}
        return np.array([number[answer[0]["class"]] for answer in answers])  # type: ignore[index]
    if isinstance(how, RegressionPostprocessing):
        return np.array(postprocess(outputs, how._replace(decimals=None), ()))
    raise TypeError(f"outputs of kind '{how.kind}' have no predictions")


def detections(task: Task, outputs: Tensors) -> Found:
    """Each sample's boxes, in pixels of the model's input."""
    found: Any = postprocess(outputs, task.how, (), scene=task.scene)
    return [*found]


def is_constant(array: Array) -> bool:
    """Whether all samples have the same values, up to float32's own rounding."""
    values = array.astype(np.float64)
    spread = np.ptp(values, axis=0).max(initial=0.0)
    return bool(spread <= 1e-6 * np.abs(values).max(initial=0.0))


def _worst_r_squared(candidate: Array, source: Array) -> float:
    """The smallest R² of the columns, (N,) or (N, targets); constant ones do not count."""
    columns = zip(
        candidate.reshape(len(candidate), -1).T, source.reshape(len(source), -1).T, strict=True
    )
    return min(_r_squared(c, s) for c, s in columns if not is_constant(s))


def _r_squared(candidate: Array, source: Array) -> float:
    """1 - sum of squared differences / sum of squared deviations from the source's mean sample."""
    wanted = source.astype(np.float64)
    missed = np.sum((candidate - wanted) ** 2)
    return float(1 - missed / np.sum((wanted - wanted.mean(axis=0)) ** 2))
