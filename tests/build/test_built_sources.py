"""Whole builds by the command from sources of other kinds than Keras."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.bundle import load
from twite.model import Model
from twite_build import onnx_environment
from twite_build.scratch import load_tensors

ENVIRONMENT = Path(__file__).parents[2] / ".venvs" / "onnx"
SOURCE = 'kind = "keras"\nfile = "model.keras"'
TENSORS = """[preprocess]
kind = "tensors"

[postprocess]
kind = "tensors"
"""


def build(recipe: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    target = str(recipe.parent / "dist")
    command = [sys.executable, "-m", "twite", "build", str(recipe), "-o", target, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def recipe(write_recipe: Callable[..., Path], recipes: dict[str, str]) -> Callable[..., Path]:
    """A recipe of tensors, its samples beside it."""

    def write(source: str, samples: dict[str, Any]) -> Path:
        tail = recipes["number"][recipes["number"].index("[preprocess]") :]
        path = write_recipe("number", (SOURCE, source), (tail, TENSORS))
        for name in ("calibration.npz", "evaluation.npz"):
            np.savez(path.parent / name, **samples)
        return path

    return write


def test_a_pickle_is_built_only_when_it_is_trusted(recipe: Any, made: Any, tmp_path: Path) -> None:
    folder = made("make_sklearn.py").folder / "forest"
    path = recipe('file = "model.joblib"', load_tensors(folder / "samples.npz"))
    shutil.copy(folder / "model.joblib", tmp_path)
    refused = build(path)
    assert refused.returncode == 2
    assert "model.joblib is a pickle, and loading one runs whatever code is in it" in refused.stderr
    assert not (tmp_path / "dist").exists()
    done = build(path, "--trust-pickle")
    assert done.returncode == 0, done.stderr
    bundle = load(tmp_path / "dist")
    assert Model(bundle).replay() > 0
    origin = bundle.manifest.provenance
    assert origin.command == "twite build recipe.toml --trust-pickle"
    assert origin.kind == "sklearn"
    assert set(origin.files) == {"calibration.npz", "evaluation.npz"}
    assert {"scikit-learn", "python", "twite-build"} < origin.tools.keys()


def test_a_quantized_tflite_is_verified_as_it_is(recipe: Any, made: Any, tmp_path: Path) -> None:
    folder = made("make_tensorflow.py").folder / "tflite"
    path = recipe('file = "int8.tflite"', load_tensors(folder / "samples.npz"))
    shutil.copy(folder / "int8.tflite", tmp_path)
    done = build(path, "--json")
    assert done.returncode == 0, done.stderr
    assert "quantized already (int8-static): verified as it is" in done.stderr
    told = json.loads(done.stdout)
    assert [candidate["quantization"] for candidate in told["candidates"]] == ["int8-static"]
    kept = (tmp_path / "dist" / "model.tflite").read_bytes()
    assert kept == (tmp_path / "int8.tflite").read_bytes()


def test_an_onnx_model_is_built_through_its_own_environment(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (ENVIRONMENT / onnx_environment.MADE).is_file():
        pytest.skip("cannot run here: CPython 3.12 or newer for ONNX; make .venvs/onnx/.made")
    monkeypatch.setenv("TWITE_ONNX_ENVIRONMENT", str(ENVIRONMENT))
    maker = Path(__file__).with_name("make_onnx.py")
    models = tmp_path / "models"
    models.mkdir()
    subprocess.run([onnx_environment.python_of(ENVIRONMENT), "-I", maker, models], check=True)
    rows = {"x": np.random.default_rng(5).normal(0, 1, (40, 8)).astype(np.float32)}
    done = build(recipe('file = "models/rows/model.onnx"', rows))
    assert done.returncode == 0, done.stderr
    tools = load(tmp_path / "dist").manifest.provenance.tools
    assert tools["onnx2tf"] == "2.6.9"
