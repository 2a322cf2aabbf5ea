"""Anchors, offsets and scores of an SSD-like detector to boxes in pixels of the picture.

The decoding is that of SSD (Liu et al. 2016, arXiv:1512.02325, 2.2) without variances, as
MediaPipe's detectors are trained; overlapping boxes go by greedy non-maximum suppression.
"""

import numpy as np

from twite.errors import TwiteError
from twite.frames import Frame, Scene, whole_frame
from twite.manifest import BoxPostprocessing
from twite.tensors import Array, Tensors

Detection = dict[str, object]


def detections(outputs: Tensors, how: BoxPostprocessing, scene: Scene) -> list[list[Detection]]:
    """For each sample its objects, best first, `box` as left, top, right and bottom in pixels.

    Raises TwiteError when the model answered NaN or infinity.
    """
    scores = _scores(outputs[how.scores], how)
    shares = fractions(outputs[how.boxes], how, scene)
    frames = scene.frames or (whole_frame(scene.image),) * len(scores)
    return [_sample(s, b, how, frame) for s, b, frame in zip(scores, shares, frames, strict=True)]


def fractions(offsets: Array, how: BoxPostprocessing, scene: Scene) -> Array:
    """(N, anchors, 4 or more) offsets in pixels to (N, anchors, 4) fractions of the model's input.

    The fractions are left, top, right and bottom.
    """
    if not np.isfinite(offsets).all():
        raise TwiteError(f"output '{how.boxes}' is NaN or infinity for this input")
    size, anchors = np.array((scene.image.width, scene.image.height)), scene.anchors
    centre = anchors[:, :2] + offsets[..., :2] / size * anchors[:, 2:]
    half = np.abs(offsets[..., 2:4] / size * anchors[:, 2:]) / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def suppress(boxes: Array, scores: Array, overlap: float, most: int) -> list[int]:
    """The rows to keep of (K, 4) boxes, best first, at most `most` of them.

    A box goes when its intersection over union with a better one that stays is above overlap.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best = order[0]
        kept.append(int(best))
        order = order[1:][intersection_over_union(boxes[best], boxes[order[1:]]) <= overlap]
    return kept


def intersection_over_union(box: Array, others: Array) -> Array:
    """(4,) and (K, 4) to (K,), from 0 to 1."""
    inner = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(inner, 0), axis=1)
    area, areas = np.prod(box[2:] - box[:2]), np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = area + areas - shared
    share: Array = shared / np.where(union > 0, union, 1)
    return share


def _scores(scores: Array, how: BoxPostprocessing) -> Array:
    """(N, anchors, 1) to (N, anchors) float32 after the activation."""
    values: Array = scores.astype(np.float32, copy=False).reshape(len(scores), -1)
    if not np.isfinite(values).all():
        raise TwiteError(f"output '{how.scores}' is NaN or infinity for this input")
    return 0.5 * (1 + np.tanh(0.5 * values)) if how.activation == "sigmoid" else values


def _sample(scores: Array, boxes: Array, how: BoxPostprocessing, frame: Frame) -> list[Detection]:
    likely = np.flatnonzero(scores >= how.minimum_score)
    scores, boxes = scores[likely], boxes[likely]
    left, top, right, bottom = frame.area
    scale = np.array((right - left, bottom - top) * 2)
    most = np.array(frame.picture * 2)
    found = []
    for i in suppress(boxes, scores, how.overlap, how.top_k):
        box = np.clip(boxes[i] * scale + (left, top, left, top), 0, most)
        confidence = round(float(scores[i]), 4)
        pixels = [round(edge) for edge in box.tolist()]
        found.append({"class": how.label, "confidence": confidence, "box": pixels})
    return found
