"""The environment of the ONNX converter: it pins all that it needs, and a Python of 3.12 or newer.

Made once, from the hashed requirements beside this file, in the user's cache folder.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from twite.errors import TwiteError
from twite_build import settings

REQUIREMENTS = Path(__file__).with_name("onnx_requirements.txt")
NEWEST_FIRST = ("3.13", "3.12")
MADE = ".made"


def ready(note: Callable[[str], None]) -> Path:
    """The environment's Python; the environment is made where it is not there.

    Raises TwiteError, with what to install, where no Python can make it or pip fails.
    """
    given = settings.onnx_environment()
    if given is not None:
        if not (given / MADE).is_file():
            raise TwiteError(f"TWITE_ONNX_ENVIRONMENT is {given}, where no environment was made")
        return python_of(given)
    version = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = settings.cache() / f"onnx-{version}"
    if not (folder / MADE).is_file():
        note(f"making the environment of the ONNX converter in {folder}: once, about 570 MB")
        make(folder)
    return python_of(folder)


def python_of(folder: Path) -> Path:
    return folder.absolute() / "bin" / "python"


def make(folder: Path) -> None:
    """Make the virtual environment; one that was interrupted is made anew."""
    python = find_python()
    if python is None:
        raise TwiteError(
            "an ONNX model needs a Python of 3.12 or 3.13 for its converter beside this one; "
            "install one (Debian, Ubuntu: apt install python3.12-venv; or pyenv install 3.12)"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if (folder / MADE).is_file():
            return
        shutil.rmtree(folder, ignore_errors=True)
        _run([python, "-m", "venv", str(folder)])
        pip = [str(python_of(folder)), "-m", "pip", "--disable-pip-version-check", "install"]
        how = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        _run([*pip, *how, "--requirement", str(REQUIREMENTS)])
        (folder / MADE).touch()


def find_python() -> str | None:
    """A CPython of 3.12 or 3.13 that starts: this one, or from PATH or pyenv's versions."""
    for version in NEWEST_FIRST:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)
        for python in (sys.executable, shutil.which(f"python{version}"), *map(str, pyenv)):
            if python and _is(python, version):
                return python
    return None


def _is(python: str, version: str) -> bool:
    # A pyenv shim is on PATH even for versions that it refuses to start.
    question = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)
    return answer.returncode == 0 and answer.stdout.strip() == version


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One builder at a time: a second one waits and finds the environment made."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str]) -> None:
    environment = settings.converter_environment()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        last = next(reversed(done.stderr.strip().splitlines()), "no reason given")
        raise TwiteError(
            f"the environment of the ONNX converter cannot be made: {last}; it needs a network to "
            f"PyPI, or point TWITE_ONNX_ENVIRONMENT to an environment with {REQUIREMENTS.name}"
        )
