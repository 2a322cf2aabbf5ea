"""Samples from a Python function, `samples.py:function`, that runs in a child process.

The function takes nothing and gives an iterable of samples, or of (sample, answer) pairs. A sample
is what a request would bring: a picture as bytes or as a Path, a text, a row of numbers, an array
of decoded pixels, or a dict of arrays by input for [preprocess] kind "tensors".
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from twite.bundle import npy
from twite.child import run_in_child
from twite.decode import NPY
from twite.fields import from_table, to_table
from twite.manifest import (
    ImagePreprocessing,
    TensorPreprocessing,
    TextPreprocessing,
)
from twite.tensors import Tensors
from twite_build.data.npz import from_arrays
from twite_build.data.tables import decoded_texts
from twite_build.data.wanted import Wanted, decoded, request_format, targets
from twite_build.errors import DataError
from twite_build.samples import TARGET, Samples
from twite_build.scratch import load_tensors, save_tensors

TIMEOUT_S = 3600.0


def read_callable(path: Path, wanted: Wanted) -> Samples:
    """Run the function in a child process; raises DataError when it fails."""
    file = path.with_name(path.name.rpartition(":")[0])
    if not file.is_file():
        raise DataError(f"{file} is not there; samples.py:function names a Python file beside it")
    with tempfile.TemporaryDirectory(prefix="twite-") as folder:
        answer = Path(folder, "samples.npz")
        request = {"path": str(path), "wanted": to_table(wanted), "answer": str(answer)}
        run_in_child("twite_build.data.callables:call_in_child", request, timeout_s=TIMEOUT_S)
        return from_arrays(path, load_tensors(answer), wanted)


def call_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's side of read_callable: samples decoded as the runtime decodes requests."""
    path = Path(request["path"])
    wanted = from_table(Wanted, request["wanted"], "wanted", DataError)
    arrays = _arrays(str(path), _called(path), wanted)
    save_tensors(Path(request["answer"]), arrays)
    return {}


def load_function(path: Path) -> Callable[[], Any]:
    """The function of `file.py:function`; raises DataError when the file has none of that name."""
    file, _, name = path.name.rpartition(":")
    source = path.with_name(file)
    spec = spec_from_file_location(source.stem, source)
    if spec is None or spec.loader is None:
        raise DataError(f"{source} is no Python file")
    module = module_from_spec(spec)
    sys.modules[source.stem] = module
    sys.path.insert(0, str(source.parent))
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise DataError(f"{source} has no function '{name}'")
    return function  # type: ignore[no-any-return]


def _called(path: Path) -> list[Any]:
    try:
        samples = load_function(path)()
        if isinstance(samples, Iterable):
            return [*samples]
    except DataError:
        raise
    # Foreign code: whatever it raises is about the samples, and the child says it in one line.
    except Exception as error:
        raise DataError(f"{path} failed: {type(error).__name__}: {error}") from error
    raise DataError(f"{path} gave {type(samples).__name__}; it must give samples")


def _arrays(where: str, samples: list[Any], wanted: Wanted) -> Tensors:
    if not samples:
        raise DataError(f"{where} gave no samples")
    is_pair = [isinstance(sample, tuple) and len(sample) == 2 for sample in samples]
    if any(is_pair) and not all(is_pair):
        raise DataError(f"{where} sample {is_pair.index(False)} has no answer; others have one")
    wheres = [f"{where} sample {i}" for i in range(len(samples))]
    values = [sample[0] for sample in samples] if all(is_pair) else samples
    each = [_decoded(value, wanted, at) for value, at in zip(values, wheres, strict=True)]
    names = each[0].keys()
    if any(one.keys() != names for one in each):
        raise DataError(f"{where}: the samples differ in their inputs' names")
    try:
        arrays = {name: np.concatenate([one[name] for one in each]) for name in names}
    except ValueError as error:
        raise DataError(f"{where}: the samples differ in shape ({error})") from error
    if all(is_pair):
        arrays[TARGET] = targets([sample[1] for sample in samples], wanted, wheres)
    return arrays


def _decoded(value: Any, wanted: Wanted, where: str) -> Tensors:
    how = wanted.preprocess
    if isinstance(how, TensorPreprocessing):
        if not isinstance(value, Mapping):
            raise DataError(f"{where} is {type(value).__name__}; it must be a dict of arrays")
        return {str(name): np.asarray(array)[None] for name, array in value.items()}
    if isinstance(how, TextPreprocessing) and isinstance(value, str):
        return decoded_texts([(where, value)], how)
    form = request_format(how, np.size(value))
    if isinstance(how, ImagePreprocessing) and isinstance(value, bytes | Path):
        return decoded(_bytes(value, where), "image/*", form, where)
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{where} is {type(value).__name__}; it is no request of kind '{how.kind}'")
    return decoded(npy(array), NPY, form, where)


def _bytes(value: bytes | Path, where: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return value.read_bytes()
    except OSError as error:
        raise DataError(f"{where}: {value} cannot be read: {error.strerror}") from error
