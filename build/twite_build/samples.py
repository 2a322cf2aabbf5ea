"""Samples: decoded inputs by name, and the right answers, from .npz files."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twite.manifest import (
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    Postprocessing,
    Preprocessing,
    RegressionPostprocessing,
    TensorPreprocessing,
)
from twite.tensors import Array, Tensors, spell_shape
from twite_build.errors import DataError

TARGET = "target"
CALIBRATION_WANTED = 100
EVALUATION_WANTED = 30


@dataclass(frozen=True, slots=True)
class Samples:
    """Decoded inputs, (count, ...) each, and the target, (count,) or (count, targets)."""

    path: Path
    inputs: Tensors
    target: Array | None = None

    @property
    def count(self) -> int:
        return len(next(iter(self.inputs.values())))


def read_samples(path: Path, how: Preprocessing) -> Samples:
    """Read a file of samples and check them against what a request decodes to.

    Raises DataError when one has the wrong dtype or shape, is not finite where the recipe forbids
    it, or never changes.
    """
    arrays = _read_npz(path)
    target = arrays.pop(TARGET, None)
    if not isinstance(how, TensorPreprocessing) and how.input not in arrays:
        came = ", ".join(f"'{name}'" for name in arrays) or "nothing"
        raise DataError(f"{path} holds {came}; the recipe's input is '{how.input}'")
    inputs = {name: _decoded(path, name, array, how) for name, array in arrays.items()}
    if not inputs:
        raise DataError(f"{path} holds no input; it must hold one array an input of the model")
    _check_counts(path, inputs if target is None else {**inputs, TARGET: target})
    for name, array in inputs.items():
        _check_values(path, name, array, how)
    return Samples(path, inputs, target)


def check_target(samples: Samples, how: Postprocessing, labels: tuple[str, ...]) -> None:
    """Raise DataError unless the evaluation samples say what is right, in the task's terms."""
    path, target = samples.path, samples.target
    if isinstance(how, ClassPostprocessing):
        _check_classes(path, _required(path, target), labels)
    elif isinstance(how, RegressionPostprocessing):
        _check_numbers(path, _required(path, target))


def sample_warnings(calibration: Samples, evaluation: Samples) -> list[str]:
    """What is allowed and still unwise."""
    found = []
    for samples, wanted, why in (
        (calibration, CALIBRATION_WANTED, "static int8 takes its value ranges from them"),
        (evaluation, EVALUATION_WANTED, "fewer say little about agreement"),
    ):
        if samples.count < wanted:
            found.append(
                f"{samples.path.name} has {samples.count} samples; {wanted} or more are wanted: "
                f"{why}"
            )
    return found


def _read_npz(path: Path) -> Tensors:
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is one .npy array; write it with numpy.savez")
            return {name: _read_array(path, name, file) for name in file.files}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise DataError(f"{path} is not an .npz file; write it with numpy.savez") from error


def _read_array(path: Path, name: str, file: "np.lib.npyio.NpzFile") -> Array:
    try:
        array: Array = file[name]
    except ValueError as error:
        raise DataError(
            f"{path} '{name}' is a pickled object array; it must be numbers of one shape"
        ) from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path} '{name}' is {array.dtype}; it must be numbers")
    return array


def _decoded(path: Path, name: str, array: Array, how: Preprocessing) -> Array:
    """The array in the dtype that a decoded request has."""
    if isinstance(how, ImagePreprocessing) and name == how.input:
        wanted = (-1, how.height, how.width, how.channels)
        if array.dtype != np.uint8 or array.shape[1:] != wanted[1:]:
            raise DataError(
                f"{path} '{name}' is {spell_shape(array.shape)} {array.dtype}; pictures are "
                f"{spell_shape(wanted)} uint8, as they are before [preprocess]"
            )
        return array
    if isinstance(how, FeaturePreprocessing) and name == how.input:
        if array.ndim != 2 or (how.columns and array.shape[1] != len(how.columns)):
            columns = len(how.columns) or "features"
            raise DataError(
                f"{path} '{name}' is {spell_shape(array.shape)}; features are (N, {columns})"
            )
        return array.astype(np.float32)
    return array.astype(np.float32) if array.dtype == np.float64 else array


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


def _check_values(path: Path, name: str, array: Array, how: Preprocessing) -> None:
    allowed = not isinstance(how, ImagePreprocessing) and how.nonfinite == "allow"
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not allowed and not finite.all():
        first = int(np.argmin(finite))
        raise DataError(
            f"{path} '{name}' sample {first} is not finite; requests like it are refused: "
            'remove it or set nonfinite = "allow" in [preprocess]'
        )
    if (array == array[:1]).all():
        raise DataError(f"{path} '{name}' is the same in all {len(array)} samples")


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
