"""The samples on which the chosen model is farthest from its source."""

from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np

from twite.manifest import (
    BoxPostprocessing,
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    Preprocessing,
    RegressionPostprocessing,
)
from twite.postprocess import confidences, postprocess
from twite.tensors import Array, Tensors
from twite_build.reporting.png import data_uri
from twite_build.samples import Samples
from twite_build.verification.scores import Task

MOST = 6
MOST_VALUES = 8
MOST_LETTERS = 200


class WorstSample(NamedTuple):
    """row counts the evaluation samples from 0; difference is in the task's own unit.

    source and answer are what the source and the bundle say, right what the samples say. shown is
    the input as text; picture is its image, in the page only.
    """

    row: int
    difference: float
    source: str
    answer: str
    right: str | None = None
    shown: str | None = None
    picture: str | None = None


def worst_samples(
    task: Task, how: Preprocessing, samples: Samples, source: Tensors, answers: Tensors
) -> tuple[WorstSample, ...]:
    """At most MOST samples, another class first, then the largest difference; none without any."""
    apart = differences(task, source, answers)
    order = np.argsort(-(apart + _is_another_class(task, source, answers)), kind="stable")[:MOST]
    return tuple(
        WorstSample(
            row=int(row),
            difference=round(float(apart[row]), 6),
            source=_answer(task, source, row),
            answer=_answer(task, answers, row),
            right=_right(task, row),
            shown=_shown(how, samples, row),
            picture=_picture(how, samples, row),
        )
        for row in order
        if apart[row] > 0
    )


def differences(task: Task, source: Tensors, answers: Tensors) -> Array:
    """(N,): classes by their confidences, numbers by themselves, others by their raw outputs."""
    how = task.how
    if isinstance(how, ClassPostprocessing):
        return _largest(confidences(answers[how.output], how), confidences(source[how.output], how))
    if isinstance(how, RegressionPostprocessing):
        return _largest(answers[how.output] * how.scale, source[how.output] * how.scale)
    names = task.decisive_outputs or tuple(source)
    spreads = {name: max(float(np.ptp(source[name].astype(np.float64))), 1e-12) for name in names}
    parts = [_largest(answers[name], source[name]) / spreads[name] for name in names]
    largest: Array = np.max(parts, axis=0)
    return largest


def _is_another_class(task: Task, source: Tensors, answers: Tensors) -> Array:
    how = task.how
    if not isinstance(how, ClassPostprocessing):
        return np.zeros(1)
    first, second = (x[how.output].reshape(len(x[how.output]), -1) for x in (source, answers))
    another: Array = first.argmax(axis=1) != second.argmax(axis=1)
    return another


def _largest(a: Array, b: Array) -> Array:
    count = len(a)
    apart = np.abs(a.astype(np.float64) - b.astype(np.float64)).reshape(count, -1)
    largest: Array = apart.max(axis=1)
    return largest


def _answer(task: Task, outputs: Tensors, row: int) -> str:
    alone = {name: array[row : row + 1] for name, array in outputs.items()}
    found: Any = postprocess(alone, task.how, task.labels, scene=task.scene, top_k=3)
    if isinstance(task.how, ClassPostprocessing):
        return f"{found[0][0]['class']} {found[0][0]['confidence']:.3f}"
    if isinstance(task.how, RegressionPostprocessing):
        return str(found[0])
    if isinstance(task.how, BoxPostprocessing):
        boxes = [f"{box['class']} {box['confidence']:.2f} at {box['box']}" for box in found[0]]
        return "; ".join(boxes) or "nothing"
    flat = [f"{name} {_few(np.ravel(array[0]))}" for name, array in alone.items()]
    return "; ".join(flat)


def _right(task: Task, row: int) -> str | None:
    if task.target is None or task.metric_name is None:
        return None
    value = task.target[row]
    if isinstance(task.how, ClassPostprocessing):
        return task.labels[int(value)]
    return _few(np.ravel(value))


def _shown(how: Preprocessing, samples: Samples, row: int) -> str | None:
    if samples.texts:
        return shorten(samples.texts[row], MOST_LETTERS, placeholder=" …")
    if not isinstance(how, FeaturePreprocessing):
        return None
    values = samples.inputs[how.input][row]
    if not how.columns:
        return _few(values)
    pairs = zip(how.columns[:MOST_VALUES], values[:MOST_VALUES].tolist(), strict=True)
    return ", ".join(f"{name} {value:g}" for name, value in pairs)


def _picture(how: Preprocessing, samples: Samples, row: int) -> str | None:
    if not isinstance(how, ImagePreprocessing):
        return None
    return data_uri(samples.inputs[how.input][row])


def _few(values: Array) -> str:
    text = ", ".join(f"{value:g}" for value in values[:MOST_VALUES].tolist())
    return text if len(values) <= MOST_VALUES else f"{text}, …"
