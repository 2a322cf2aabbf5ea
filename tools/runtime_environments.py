"""Make .venvs/VERSION, where the runtime is installed alone, for every supported CPython here.

An interpreter is taken from PATH or from pyenv's versions. tests/deploy/test_runtime_alone.py runs
the runtime's tests in each, and names those that are missing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
MADE_FROM = ("locks/runtime.txt", "runtime/pyproject.toml", "tools/environment.sh")


def main() -> None:
    for version in VERSIONS:
        python = find(version)
        if python and is_stale(ROOT / ".venvs" / version):
            make(ROOT / ".venvs" / version, python)


def find(version: str) -> str | None:
    """The path of a CPython of this version that starts."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)
    candidates = [shutil.which(f"python{version}"), sys.executable, *map(str, installed)]
    return next((path for path in candidates if path and answers(path, version)), None)


def answers(python: str, version: str) -> bool:
    # A pyenv shim is on PATH even for versions that it refuses to start.
    question = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", question], capture_output=True, text=True)
    return answer.returncode == 0 and answer.stdout.strip() == version


def is_stale(folder: Path) -> bool:
    made = folder / ".made"
    newest = max((ROOT / name).stat().st_mtime for name in MADE_FROM)
    return not made.exists() or made.stat().st_mtime < newest


def make(folder: Path, python: str) -> None:
    tool = str(ROOT / "tools" / "environment.sh")
    command = [tool, str(folder), python, "locks/runtime.txt", "--", "./runtime"]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
