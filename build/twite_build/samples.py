"""Samples: decoded inputs by name, and the right answers."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twite.manifest import (
    BoxPostprocessing,
    ClassPostprocessing,
    ImagePreprocessing,
    Postprocessing,
    Preprocessing,
    RegressionPostprocessing,
)
from twite.tensors import Array, Tensors, spell_shape
from twite_build.errors import DataError

TARGET = "target"
CALIBRATION_WANTED = 100
EVALUATION_WANTED = 30


@dataclass(frozen=True, slots=True)
class Samples:
    """Decoded inputs, (count, ...) each, and the target, (count,) or (count, targets).

    skipped names the files that could not be read and were left out. texts are what the inputs of
    a text model were made from, where a table held them.
    """

    path: Path
    inputs: Tensors
    target: Array | None = None
    skipped: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(next(iter(self.inputs.values())))

    def count_different(self) -> int:
        """How many samples are left when equal ones count once."""
        arrays = [array.reshape(self.count, -1) for array in self.inputs.values()]
        rows = zip(*arrays, strict=True)
        return len({hash(tuple(part.tobytes() for part in row)) for row in rows})

    def sha256(self) -> str:
        """Of names, dtypes, shapes and values: what was measured, however it was stored."""
        digest = hashlib.sha256()
        arrays = self.inputs if self.target is None else {**self.inputs, TARGET: self.target}
        for name, array in sorted(arrays.items()):
            digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def check_samples(samples: Samples, how: Preprocessing) -> None:
    """Raise DataError unless all arrays hold the same number of samples, finite where they must."""
    path, target = samples.path, samples.target
    arrays = samples.inputs if target is None else {**samples.inputs, TARGET: target}
    _check_counts(path, arrays)
    for name, array in samples.inputs.items():
        _check_finite(path, name, array, how)


def check_target(samples: Samples, how: Postprocessing, labels: tuple[str, ...]) -> None:
    """Raise DataError unless the evaluation samples say what is right, in the task's terms."""
    path, target = samples.path, samples.target
    if isinstance(how, ClassPostprocessing):
        _check_classes(path, _required(path, target), labels)
    elif isinstance(how, RegressionPostprocessing):
        _check_numbers(path, _required(path, target))
    elif isinstance(how, BoxPostprocessing):
        _check_presence(path, _required(path, target))


def sample_warnings(calibration: Samples, evaluation: Samples) -> list[str]:
    """What is allowed and still unwise."""
    found = []
    for samples, wanted, why in (
        (calibration, CALIBRATION_WANTED, "static int8 takes its value ranges from them"),
        (evaluation, EVALUATION_WANTED, "fewer say little about agreement"),
    ):
        name, different = samples.path.name, samples.count_different()
        count = f"{name} has {samples.count:,} samples"
        if samples.count >= wanted:
            count += f", only {different} of them different"
        if different < wanted:
            found.append(f"{count}; {wanted} or more are wanted: {why}")
        if samples.skipped:
            found.append(f"{name}: {_spell_skipped(samples)}")
    return found


def _spell_skipped(samples: Samples) -> str:
    shown = ", ".join(samples.skipped[:3]) + (", …" if len(samples.skipped) > 3 else "")
    total = samples.count + len(samples.skipped)
    return (
        f"{len(samples.skipped):,} of {total:,} pictures cannot be read and are left out: {shown}"
    )


def _check_counts(path: Path, arrays: Tensors) -> None:
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) < 2:
            raise DataError(
                f"{path} '{name}' is {spell_shape(array.shape)}; it must hold many samples"
            )
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        came = ", ".join(f"'{name}' {count}" for name, count in counts.items())
        raise DataError(f"{path} holds different numbers of samples: {came}")


def _check_finite(path: Path, name: str, array: Array, how: Preprocessing) -> None:
    allowed = not isinstance(how, ImagePreprocessing) and how.nonfinite == "allow"
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not allowed and not finite.all():
        first = int(np.argmin(finite))
        raise DataError(
            f"{path} '{name}' sample {first} is not finite; requests like it are refused: "
            'remove it or set nonfinite = "allow" in [preprocess]'
        )


def _required(path: Path, target: Array | None) -> Array:
    if target is None:
        raise DataError(f"{path} lacks '{TARGET}', the right answer for each sample")
    return target


def _check_classes(path: Path, target: Array, labels: tuple[str, ...]) -> None:
    if target.ndim != 1 or target.dtype.kind not in "iu":
        raise DataError(
            f"{path} '{TARGET}' is {spell_shape(target.shape)} {target.dtype}; class numbers are "
            "(N,) whole numbers"
        )
    wrong = (target < 0) | (target >= len(labels))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(
            f"{path} '{TARGET}' sample {first} is class {target[first]}; the recipe has "
            f"{len(labels)} labels, 0 to {len(labels) - 1}"
        )


def _check_numbers(path: Path, target: Array) -> None:
    if target.ndim > 2 or not np.isfinite(target).all():
        raise DataError(
            f"{path} '{TARGET}' is {spell_shape(target.shape)}; values are (N,) or (N, targets), "
            "all finite"
        )


def _check_presence(path: Path, target: Array) -> None:
    if target.ndim != 1 or (target < 0).any():
        raise DataError(
            f"{path} '{TARGET}' is {spell_shape(target.shape)}; for boxes it is (N,), how many "
            "objects each picture shows: 0 where none"
        )
