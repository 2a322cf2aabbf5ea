"""Scores of a detector: whether it finds what its source finds, and only where something is."""

from typing import Any

import numpy as np

from twite.boxes import intersection_over_union
from twite.tensors import Array

SAME_BOX = 0.5
"""The intersection over union from which on two boxes are the same object, as in PASCAL VOC."""

Found = list[list[dict[str, Any]]]


def detection_agreement(candidate: Found, source: Found) -> float:
    """The share of samples with as many boxes, each of which has its own in the source."""
    same = [_is_same(a, b) for a, b in zip(candidate, source, strict=True)]
    return float(np.mean(same))


def detection_accuracy(found: Found, target: Array) -> float:
    """The share of samples in which something is found exactly where the target is above 0."""
    is_found = np.array([bool(boxes) for boxes in found])
    return float(np.mean(is_found == (target > 0)))


def presence_baseline(target: Array) -> float:
    """The accuracy of finding something always, or never."""
    share = float(np.mean(target > 0))
    return max(share, 1 - share)


def _is_same(candidate: list[dict[str, Any]], source: list[dict[str, Any]]) -> bool:
    if len(candidate) != len(source):
        return False
    left = np.array([box["box"] for box in source], np.float64).reshape(-1, 4)
    for found in candidate:
        shares = intersection_over_union(np.array(found["box"], np.float64), left)
        if shares.max(initial=0.0) < SAME_BOX:
            return False
        left = np.delete(left, int(shares.argmax()), axis=0)
    return True
