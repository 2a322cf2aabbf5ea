"""A skip is allowed when it tells what to do, and in CI only for what CI may lack."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TOLD = "cannot run here: no browser; apt install chromium"
LACKING = "cannot run here: CPython 3.13 is not installed; pyenv install 3.13"


def session(folder: Path, reason: str, *, ci: bool) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    skipping = f"import pytest\n\n\ndef test_one():\n    pytest.skip({reason!r})\n"
    (folder / "test_one.py").write_text(skipping + "\n\ndef test_two():\n    pass\n")
    variables = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", str(folder)]
    environment = variables | ({"CI": "true"} if ci else {})
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("reason", "ci", "status"),
    [(TOLD, False, 0), ("later", False, 1), (TOLD, True, 1), (LACKING, True, 0)],
    ids=["told", "untold", "in-ci", "lacking-in-ci"],
)
def test_a_skip_needs_a_reason_that_holds(
    reason: str, ci: bool, status: int, tmp_path: Path
) -> None:
    result = session(tmp_path, reason, ci=ci)
    assert result.returncode == status, result.stdout
    assert reason in result.stdout
    assert ("ERROR test_one.py::test_one" in result.stdout) == bool(status)
