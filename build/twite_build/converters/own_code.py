"""The user's own Python: a function of a file, run in the converter's process and nowhere else.

Every file below the Python file's folder that is opened meanwhile (weights, other modules) is
noted with its hash, for the model comes from them too.
"""

import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from twite.fields import suggestion
from twite_build.errors import SourceError
from twite_build.scratch import first_line


class OwnCode(NamedTuple):
    """function of the file at path; watched are the files opened so far."""

    path: Path
    name: str
    function: Callable[..., Any]
    watched: set[str]

    def call(self) -> Any:
        """What the function returns; its errors become a SourceError with the line of the code."""
        try:
            return self.function()
        except Exception as error:
            raise _failed(self.path, self.name, error) from error

    def parameters(self) -> list[str]:
        """The names of the parameters that a caller must give."""
        return positional(self.function)

    def files(self) -> dict[str, str]:
        """Files that were opened, relative to the Python file's folder, and their SHA-256."""
        folder, found = self.path.parent.resolve(), {}
        for name in sorted(self.watched):
            path = Path(name).resolve()
            inside = path.is_relative_to(folder) and path.suffix != ".pyc" and path.is_file()
            if inside and path != self.path.resolve():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[path.relative_to(folder).as_posix()] = digest
        return found


def load(path: Path, name: str) -> OwnCode:
    """Run the file as a module and find its function; raises SourceError."""
    watched = _watch()
    spec = importlib.util.spec_from_file_location(f"source_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SourceError(f"{path} is not a Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failed(path, name, error) from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise SourceError(f"{path} has no function '{name}'{suggestion(name, known)}")
    return OwnCode(path, name, function, watched)


def positional(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.default is p.empty]


def _watch() -> set[str]:
    watched: set[str] = set()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            watched.add(os.fsdecode(arguments[0]))

    sys.addaudithook(note)
    return watched


def _failed(path: Path, name: str, error: Exception) -> SourceError:
    line, trace = 0, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f"{path}:{line}" if line else str(path)
    return SourceError(f"{where} ({name}) raised {type(error).__name__}: {first_line(error)}")
