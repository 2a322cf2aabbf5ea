"""The second engine, tflite-runtime, behind the same seam and under the same accelerators."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venvs" / "tflite-runtime" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="cannot run here: tflite-runtime is not in .venvs/tflite-runtime; "
    "install CPython 3.11, then `make accelerators`",
)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_it_answers_what_was_verified(name: str, bundles: Path) -> None:
    result = run("twite", "check", str(bundles / name))
    assert result.returncode == 0, result.stderr
    assert "golden samples agree on tflite-runtime 2.14.0" in result.stdout
    assert "the bundle was verified on ai-edge-litert" in result.stderr


def test_an_engine_that_is_not_installed_is_named(bundles: Path) -> None:
    result = run("twite", "check", str(bundles / "digits"), TWITE_ENGINE="ai-edge-litert")
    assert result.returncode == 4
    assert "the engine ai-edge-litert is not installed here: pip install" in result.stderr


FILES = ["accelerators/test_probe.py", "accelerators/test_worker.py", "runtime/test_signatures.py"]


@pytest.mark.parametrize("name", FILES)
def test_accelerators_fail_and_signatures_answer_as_under_the_first_engine(name: str) -> None:
    file = f"tests/{name}"
    result = run("pytest", "-p", "no:cacheprovider", "-q", file)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout
