"""Samples from an .npz file: decoded inputs by name, and "target"."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from twite.manifest import (
    FeaturePreprocessing,
    ImagePreprocessing,
    Preprocessing,
    TensorPreprocessing,
    TextPreprocessing,
)
from twite.tensors import Array, Tensors, spell_shape
from twite_build.data.wanted import Wanted
from twite_build.errors import DataError
from twite_build.samples import TARGET, Samples


def read_npz(path: Path, wanted: Wanted) -> Samples:
    return from_arrays(path, _read(path), wanted)


def from_arrays(path: Path, arrays: Tensors, wanted: Wanted) -> Samples:
    """Samples of decoded inputs by name and "target"; raises DataError for a wrong shape."""
    arrays = dict(arrays)
    target, how = arrays.pop(TARGET, None), wanted.preprocess
    if not isinstance(how, TensorPreprocessing) and how.input not in arrays:
        came = ", ".join(f"'{name}'" for name in arrays) or "nothing"
        raise DataError(f"{path} holds {came}; the recipe's input is '{how.input}'")
    inputs = {name: _decoded(path, name, array, how) for name, array in arrays.items()}
    if not inputs:
        raise DataError(f"{path} holds no input; it must hold one array an input of the model")
    return Samples(path, inputs, target)


def _read(path: Path) -> Tensors:
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
    is_input = not isinstance(how, TensorPreprocessing) and name == how.input
    if is_input and isinstance(how, ImagePreprocessing):
        return _pictures(path, name, array, how)
    if is_input and isinstance(how, FeaturePreprocessing):
        return _features(path, name, array, how)
    if is_input and isinstance(how, TextPreprocessing):
        return _words(path, name, array, how)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _pictures(path: Path, name: str, array: Array, how: ImagePreprocessing) -> Array:
    wanted = (-1, how.height, how.width, how.channels)
    if array.dtype != np.uint8 or array.shape[1:] != wanted[1:]:
        raise DataError(
            f"{path} '{name}' is {spell_shape(array.shape)} {array.dtype}; pictures are "
            f"{spell_shape(wanted)} uint8, as they are before [preprocess]"
        )
    return array


def _features(path: Path, name: str, array: Array, how: FeaturePreprocessing) -> Array:
    if array.ndim != 2 or (how.columns and array.shape[1] != len(how.columns)):
        columns = len(how.columns) or "features"
        raise DataError(
            f"{path} '{name}' is {spell_shape(array.shape)}; features are (N, {columns})"
        )
    return array.astype(np.float32)


def _words(path: Path, name: str, array: Array, how: TextPreprocessing) -> Array:
    wanted = f"words' numbers are (N, {how.length}) whole numbers from 0 to {how.buckets - 1}"
    is_right = array.dtype.kind in "iu" and array.shape[1:] == (how.length,) and array.size > 0
    if not is_right or array.min() < 0 or array.max() >= how.buckets:
        raise DataError(f"{path} '{name}' is {spell_shape(array.shape)} {array.dtype}; {wanted}")
    return array.astype(np.int32)
