"""The runtime passes its tests on every supported CPython where only the runtime is installed."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_THERE = ("twite_build", "tensorflow", "keras", "litert_quantizer", "scipy")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_runtime_passes_its_tests_alone(version: str) -> None:
    python = ROOT / ".venvs" / version / "bin" / "python"
    if not python.exists():
        how = f"`pyenv install {version}` or a package python{version} with venv, then `make test`"
        pytest.skip(f"cannot run here: CPython {version} is not in .venvs/{version}; {how}")
    wall = f"import importlib.util as u; print([n for n in {NOT_THERE} if u.find_spec(n)])"
    assert run(python, "-c", wall).stdout.strip() == "[]"
    result = run(python, "-m", "pytest", "-p", "no:cacheprovider", "tests/runtime")
    assert result.returncode == 0, result.stdout + result.stderr


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *arguments], cwd=ROOT, capture_output=True, text=True)
