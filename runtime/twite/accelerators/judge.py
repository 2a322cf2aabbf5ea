"""Whether an accelerator answers what the CPU answers.

A float output may differ by 1 % of the largest value that the CPU gave for the samples, an integer
one by 2 steps, or by what the bundle allows another machine, where that is more.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Literal, NamedTuple

import numpy as np

from twite.tensors import Array, Tensors

FLOAT_PART, INTEGER_STEPS = 1e-2, 2.0
NOISE_ROWS = 2
SMALL = 32


class Difference(NamedTuple):
    kind: Literal["wrong", "nonfinite"]
    reason: str


def extremes(samples: Tensors) -> list[Tensors]:
    """Inputs at the ends of what the samples hold, and noise between them; one row each.

    samples are the model's own inputs, rows of them. Within the samples' range, so that a token or
    an index stays one.
    """
    low = {name: np.full_like(array[:1], array.min()) for name, array in samples.items()}
    high = {name: np.full_like(array[:1], array.max()) for name, array in samples.items()}
    noise = [
        {name: _between(row, array) for name, array in samples.items()} for row in range(NOISE_ROWS)
    ]
    return [low, high, *noise]


def _between(row: int, array: Array) -> Array:
    """Noise of one row between the samples' smallest and largest value."""
    low, high = float(array.min()), float(array.max())
    share = _noise(row, array[:1].size).reshape(array[:1].shape)
    if array.dtype.kind in "iub":
        return (low + np.floor(share * (high - low + 1))).astype(array.dtype)
    return (low + share * (high - low)).astype(array.dtype)


def _noise(row: int, count: int) -> Array:
    """Numbers from 0 to 1, the same ones everywhere, by SplitMix64 (Steele, Lea, Flood 2014).

    numpy's own generators are a tenth of its size, and images leave them out.
    """
    z = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(row * count)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def tolerances(references: Sequence[Tensors], bundle: Mapping[str, float]) -> dict[str, float]:
    """The largest absolute difference that each output may show."""
    found: dict[str, float] = {}
    for name in references[0]:
        wanted = [reference[name] for reference in references]
        own = INTEGER_STEPS
        if wanted[0].dtype.kind == "f":
            own = FLOAT_PART * max(_largest(array) for array in wanted)
        found[name] = max(own, bundle.get(name, 0.0))
    return found


def _largest(array: Array) -> float:
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    return float(finite.max(initial=0.0))


def is_constant(references: Sequence[Tensors]) -> bool:
    """Whether every sample has the same answer: an accelerator that is stuck would look right."""
    first = references[0]
    return all(
        np.array_equal(reference[name], first[name], equal_nan=True)
        for reference in references[1:]
        for name in first
    )


def compare(came: Tensors, wanted: Tensors, allowed: Mapping[str, float]) -> Difference | None:
    """What is wrong with one answer, None when nothing is."""
    for name, right in wanted.items():
        array = came[name]
        if array.shape != right.shape or array.dtype != right.dtype:
            what = f"output '{name}' is {array.shape} {array.dtype}; the CPU's is {right.shape}"
            return Difference("wrong", what)
        if right.dtype.kind == "f" and np.any(np.isfinite(right) & ~np.isfinite(array)):
            return Difference("nonfinite", f"output '{name}' is not finite; the CPU's is")
        difference = np.abs(array.astype(np.float64) - right.astype(np.float64))
        worst = float(np.nanmax(difference, initial=0.0))
        if worst > allowed[name]:
            reason = f"output '{name}' is off by {worst:.3g}; {allowed[name]:.3g} is allowed"
            return Difference("wrong", reason)
    return None


def is_finite(outputs: Tensors) -> bool:
    return all(_is_finite(array) for array in outputs.values() if array.dtype.kind == "f")


def _is_finite(array: Array) -> bool:
    # numpy needs 3 µs for any array; a sum that overflows costs one comparison with the CPU.
    if array.size <= SMALL:
        return isfinite(sum(array.ravel().tolist()))
    return bool(np.isfinite(array).all())
