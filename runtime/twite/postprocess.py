"""Raw outputs to a prediction: classes with confidence, numbers, or the tensors themselves."""

import numpy as np

from twite.errors import UsageError
from twite.frames import Scene
from twite.manifest import (
    BoxPostprocessing,
    ClassPostprocessing,
    Postprocessing,
    RegressionPostprocessing,
)
from twite.tensors import Array, Tensors

Prediction = object
"""What JSON can hold: for each sample its classes, its number or its outputs by name."""


def postprocess(
    outputs: Tensors,
    how: Postprocessing,
    labels: tuple[str, ...],
    *,
    scene: Scene | None = None,
    top_k: int | None = None,
) -> list[Prediction] | dict[str, object]:
    """Turn outputs, (N, ...) each, into N predictions; raw tensors stay in one table by name.

    scene is for boxes; top_k, where it is given, counts instead of the bundle's.
    """
    if top_k is not None and isinstance(how, ClassPostprocessing | BoxPostprocessing):
        how = how._replace(top_k=top_k)
    if isinstance(how, ClassPostprocessing):
        return [*_classes(outputs[how.output], how, labels)]
    if isinstance(how, RegressionPostprocessing):
        return _numbers(outputs[how.output], how)
    if isinstance(how, BoxPostprocessing):
        return _boxes(outputs, how, scene)
    return {name: array.tolist() for name, array in outputs.items()}


def confidences(scores: Array, how: ClassPostprocessing) -> Array:
    """Scores (N, classes) after the activation, float32, still in the order of the labels."""
    shares: Array = scores.astype(np.float32, copy=False).reshape(len(scores), -1)
    if how.activation == "softmax":
        shares = np.exp(shares - shares.max(axis=1, keepdims=True))
        shares = shares / shares.sum(axis=1, keepdims=True)
    elif how.activation == "sigmoid":
        shares = 0.5 * (1 + np.tanh(0.5 * shares))
    return shares


def _classes(
    scores: Array, how: ClassPostprocessing, labels: tuple[str, ...]
) -> list[list[dict[str, object]]]:
    shares = confidences(scores, how)
    best = np.argsort(-shares, axis=1, kind="stable")[:, : how.top_k]
    return [
        [{"class": labels[i], "confidence": round(float(row[i]), 4)} for i in order]
        for row, order in zip(shares, best, strict=True)
    ]


def _boxes(outputs: Tensors, how: BoxPostprocessing, scene: Scene | None) -> list[Prediction]:
    from twite.boxes import detections

    if scene is None:
        raise UsageError("boxes need the bundle's anchors and its picture preprocessing")
    return [*detections(outputs, how, scene)]


def _numbers(values: Array, how: RegressionPostprocessing) -> list[Prediction]:
    """(N,) or (N, 1) to N numbers, (N, targets) to N lists."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 1:
        return [_number(value, how) for value in values.tolist()]
    return [[_number(value, how) for value in row] for row in values.tolist()]


def _number(value: float, how: RegressionPostprocessing) -> float:
    number = value * how.scale + how.offset
    return number if how.decimals is None else round(number, how.decimals)
