"""The ONNX converter in its environment: what it refuses, and that it answers as onnxruntime."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.engine import Engine
from twite.errors import TwiteError
from twite_build import onnx_environment
from twite_build.converters import onnx as converter
from twite_build.scratch import load_tensors, save_tensors

ENVIRONMENT = Path(__file__).parents[2] / ".venvs" / "onnx"
RANDOM = np.random.default_rng(5)
PICTURES = {"image": RANDOM.normal(0, 1, (3, 16, 16, 3)).astype(np.float32)}
ROWS = {"x": RANDOM.normal(0, 1, (5, 8)).astype(np.float32)}


@pytest.fixture(scope="session")
def python() -> Path:
    if not (ENVIRONMENT / onnx_environment.MADE).is_file():
        pytest.skip("cannot run here: CPython 3.12 or newer for ONNX; make .venvs/onnx/.made")
    return onnx_environment.python_of(ENVIRONMENT)


@pytest.fixture(scope="session")
def folder(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    maker = Path(__file__).with_name("make_onnx.py")
    subprocess.run([python, "-I", maker, folder], check=True)
    return folder


def convert(python: Path, place: Path, samples: Any, layout: str = "native") -> dict[str, Any]:
    save_tensors(place / "samples.npz", samples)
    names = {"samples": "samples.npz", "model": "fp32.tflite", "outputs": "source.npz"}
    request: dict[str, Any] = {key: str(place / name) for key, name in names.items()}
    request |= {"source": str(place / "model.onnx"), "python": str(python)}
    request["options"] = {"file": "model.onnx", "kind": "onnx", "input_layout": layout}
    return converter.convert(request)


@pytest.mark.parametrize(
    ("name", "samples", "layout", "shape"),
    [
        ("rows", ROWS, "native", (-1, 8)),
        ("pictures", PICTURES, "nhwc", (1, 16, 16, 3)),
        ("pictures", {"image": PICTURES["image"].transpose(0, 3, 1, 2)}, "native", (1, 3, 16, 16)),
    ],
)
def test_the_converted_model_answers_as_onnxruntime(
    python: Path, folder: Path, name: str, samples: Any, layout: str, shape: tuple[int, ...]
) -> None:
    told = convert(python, folder / name, samples, layout)
    assert told["tools"]["onnx2tf"] == "2.6.9"
    assert told["notes"] == [f"input layout {layout}"]
    engine = Engine(folder / name / "fp32.tflite")
    assert engine.inputs[0].shape == shape
    came = engine.run({key: np.ascontiguousarray(array) for key, array in samples.items()})
    wanted = load_tensors(folder / name / "source.npz")
    assert came.keys() == wanted.keys()
    for output, array in wanted.items():
        np.testing.assert_allclose(came[output], array, atol=1e-4)


def test_the_same_source_gives_the_same_bytes(python: Path, folder: Path) -> None:
    convert(python, folder / "rows", ROWS)
    first = (folder / "rows" / "fp32.tflite").read_bytes()
    convert(python, folder / "rows", ROWS)
    assert (folder / "rows" / "fp32.tflite").read_bytes() == first


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("learned", "UnsupportedTarget", "LinearRegressor of ai.onnx.ml, which no TFLite runtime"),
        ("custom", "UnsupportedTarget", "needs the custom operators my.domain.Own"),
        ("text", "UnsupportedTarget", "input 'x' is no tensor of numbers"),
        ("eight", "SourceError", "input 'x' takes exactly [8] samples at a time"),
        ("damaged", "SourceError", "is not an ONNX model"),
    ],
)
def test_refuses_by_name(python: Path, folder: Path, name: str, error: str, message: str) -> None:
    with pytest.raises(TwiteError) as refused:
        convert(python, folder / name, ROWS)
    assert type(refused.value).__name__ == error
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_a_python_that_can_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TWITE_ONNX_ENVIRONMENT", raising=False)
    monkeypatch.setattr(onnx_environment, "NEWEST_FIRST", ("3.99",))
    with pytest.raises(TwiteError, match=r"Python of 3\.12 or 3\.13.*apt install python3\.12-venv"):
        onnx_environment.ready(lambda text: None)
