"""Where candidates are measured: on this environment's engine, or on the target's in its own.

tflite-runtime wants numpy 1 and Python 3.11 or older, so it has an environment of its own. Its
Python runs the same measurements on it.
"""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import twite
import twite_build
from twite_build.targets import LITERT, TFLITE_RUNTIME, Target

# What is looked for when nothing else is named; `make` makes it.
OWN_ENVIRONMENT = Path(".venvs/tflite-runtime/bin/python")

_CHILD = """
import os, sys
folders = sys.argv.pop(1)
sys.path += folders.split("\\n")
os.environ["TWITE_ENGINE"] = "tflite-runtime"
from twite.child import main
main(sys.argv[1:])
"""


class EnginePlace(NamedTuple):
    """The engine's name and the command that runs a child process with it."""

    engine: str
    command: tuple[str, ...]


HERE = EnginePlace(LITERT, (sys.executable, "-m", "twite.child"))


def find_engine(target: Target, python: Path | None = None) -> tuple[EnginePlace, str | None]:
    """Where to measure for target, and a warning where that is not on the target's own engine.

    python is an interpreter whose environment has the target's engine.
    """
    if target.engine != TFLITE_RUNTIME:
        return HERE, None
    found = python or OWN_ENVIRONMENT
    if _has_tflite_runtime(found):
        folders = [Path(package.__file__ or "").parent.parent for package in (twite, twite_build)]
        listed = "\n".join(str(folder) for folder in folders)
        return EnginePlace(TFLITE_RUNTIME, (str(found.absolute()), "-c", _CHILD, listed)), None
    return HERE, (
        f"target '{target.name}' is served by {TFLITE_RUNTIME}, which is not in {found}: measured "
        f"on {LITERT}. Install it there: python3.11 -m venv .venvs/tflite-runtime && "
        ".venvs/tflite-runtime/bin/pip install tflite-runtime==2.14.0 'numpy<2'"
    )


def _has_tflite_runtime(python: Path) -> bool:
    try:
        done = subprocess.run(
            [str(python), "-c", "import tflite_runtime, numpy"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0
