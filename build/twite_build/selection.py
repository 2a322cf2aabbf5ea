"""The samples that are looked at one by one: the golden ones, and inputs at the edge."""

import numpy as np

from twite.tensors import Array, Tensors
from twite_build.samples import Samples

GOLDEN_COUNT = 8


def golden_rows(samples: Samples) -> tuple[int, ...]:
    """GOLDEN_COUNT rows spread evenly over the sorted targets: over classes or over the range."""
    order = np.arange(samples.count)
    if samples.target is not None:
        first = samples.target.reshape(samples.count, -1)[:, 0]
        order = np.argsort(first, kind="stable")
    count = min(GOLDEN_COUNT, samples.count)
    places = np.linspace(0, samples.count - 1, count).round().astype(np.int64)
    return tuple(sorted(int(order[place]) for place in places))


def rows(tensors: Tensors, chosen: tuple[int, ...]) -> Tensors:
    return {name: array[list(chosen)] for name, array in tensors.items()}


def edge_inputs(calibration: Tensors) -> tuple[tuple[str, ...], Tensors]:
    """Decoded inputs at the edges, and what each row is.

    uint8 pixels: 0 and 255. Floats: zeros and twice the calibration's extremes, element by
    element; other integers stay inside what calibration saw, for they may be indices.
    """
    names = ("zeros", "the smallest inputs", "the largest inputs")
    edges = {name: np.stack(_edges(array)) for name, array in calibration.items()}
    return names, edges


def _edges(array: Array) -> tuple[Array, Array, Array]:
    zeros = np.zeros_like(array[0])
    if array.dtype == np.uint8:
        return zeros, zeros, np.full_like(zeros, 255)
    if array.dtype.kind == "f":
        finite = np.where(np.isfinite(array), array, 0)
        return zeros, 2 * finite.min(axis=0), 2 * finite.max(axis=0)
    return zeros, array.min(axis=0), array.max(axis=0)
