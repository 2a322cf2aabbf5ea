"""The files of a build's working folder; what cannot be written is an error that names the file."""

from pathlib import Path

import numpy as np

from twite.errors import TwiteError
from twite.tensors import Tensors


def save_tensors(path: Path, tensors: Tensors) -> None:
    # The prefix keeps an input named 'file' apart from numpy's own parameter.
    arrays = {f"tensor.{name}": array for name, array in tensors.items()}
    try:
        np.savez(path, allow_pickle=False, **arrays)
    except OSError as error:
        raise _not_written(path, error) from error


def load_tensors(path: Path) -> Tensors:
    with np.load(path, allow_pickle=False) as file:
        return {name.removeprefix("tensor."): file[name] for name in file.files}


def save_model(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _not_written(path, error) from error


def first_line(error: Exception) -> str:
    """The first line of an error's text: those of the frameworks run over many."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _not_written(path: Path, error: OSError) -> TwiteError:
    why = error.strerror or error
    return TwiteError(f"{path} cannot be written: {why}; TMPDIR names another folder to work in")
