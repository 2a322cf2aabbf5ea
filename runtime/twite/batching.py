"""Micro-batches: several requests in one inference, where the model gains by it.

A batch is never waited for: an interpreter that becomes free takes what waits by then, so a lone
request is as fast as without batches.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from twite.tensors import Tensors

if TYPE_CHECKING:
    from twite.model import Model

SIZES = (2, 4, 8, 16)
ROUNDS = 3
LEAST_GAIN = 1.15
"""A batch must be this much faster than its samples one by one; less is noise or resizing."""
LONGEST_S = 0.1
"""Of one batch: whoever comes next waits for it."""


def measure_batch(model: "Model", single_s: float) -> int:
    """The most samples that one inference should take; 1 where batches gain nothing.

    single_s is one sample's inference. The size changes before every timed run, as it does while
    serving, because resizing the tensors is part of the price.
    """
    if not can_batch(model):
        return 1
    sample = {name: array[:1] for name, array in model.bundle.golden_inputs().items()}
    best, best_gain = 1, LEAST_GAIN
    for size in SIZES:
        if size * single_s > 4 * LONGEST_S or not _agrees(model, sample, size):
            break
        took_s = _fastest(model, sample, size)
        gain = size * single_s / took_s
        if took_s > LONGEST_S or gain < best_gain:
            break
        best, best_gain = size, gain
    model.infer(sample)
    return best


def can_batch(model: "Model") -> bool:
    """Whether every tensor of the model counts samples in a variable first dimension."""
    manifest = model.manifest
    return all(spec.shape[:1] == (-1,) for spec in (*manifest.inputs, *manifest.outputs))


def join(requests: Sequence[Tensors]) -> Tensors | None:
    """The requests' samples in one table, or None where their shapes do not fit together."""
    first = requests[0]
    for name, array in first.items():
        form = (array.dtype, array.shape[1:])
        if any((each[name].dtype, each[name].shape[1:]) != form for each in requests):
            return None
    return {name: np.concatenate([each[name] for each in requests]) for name in first}


def split(outputs: Tensors, counts: Sequence[int]) -> list[Tensors]:
    """The outputs of each request again, which had `counts` samples."""
    found, start = [], 0
    for count in counts:
        found.append({name: array[start : start + count] for name, array in outputs.items()})
        start += count
    return found


def _agrees(model: "Model", sample: Tensors, size: int) -> bool:
    """Whether each sample of a batch gets the answer that it gets alone."""
    alone, together = model.infer(sample), model.infer(_repeat(sample, size))
    return all(
        together[name].shape[:1] == (size,)
        and np.allclose(together[name], alone[name], rtol=0, atol=tolerance)
        for name, tolerance in model.manifest.golden.tolerance.items()
    )


def _repeat(sample: Tensors, size: int) -> Tensors:
    return {name: np.repeat(array, size, axis=0) for name, array in sample.items()}


def _fastest(model: "Model", sample: Tensors, size: int) -> float:
    batch = _repeat(sample, size)
    fastest = float("inf")
    for _ in range(ROUNDS):
        model.infer(sample)
        begin = perf_counter()
        model.infer(batch)
        fastest = min(fastest, perf_counter() - begin)
    return fastest
