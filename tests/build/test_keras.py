"""The Keras converter: what it refuses, and that what it converts answers as Keras does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.child import run_in_child
from twite.engine import Engine
from twite.errors import TwiteError
from twite_build.scratch import load_tensors

CONVERTED = (
    *("quadrants", "constant", "slope", "ratio", "outlier", "two_inputs", "recurrent"),
    "dictionary",
)


@pytest.mark.parametrize("name", CONVERTED)
def test_the_converted_model_answers_as_keras(trained: Any, name: str) -> None:
    folder = trained.folder / name
    source = load_tensors(folder / "source.npz")
    answers = Engine(folder / "fp32.tflite").run(load_tensors(folder / "preprocessed.npz"))
    assert answers.keys() == source.keys()
    for output, array in source.items():
        np.testing.assert_allclose(answers[output], array, rtol=1e-4, atol=1e-4)


def test_names_and_a_variable_batch_are_kept(trained: Any) -> None:
    engine = Engine(trained.folder / "two_inputs" / "fp32.tflite")
    assert {(spec.name, spec.dtype, spec.shape) for spec in engine.inputs} == {
        ("a", "float32", (-1, 4)),
        ("index", "int32", (-1, 1)),
    }
    assert {spec.name for spec in engine.outputs} == {"two", "three"}
    named = Engine(trained.folder / "dictionary" / "fp32.tflite")
    assert {spec.name for spec in named.outputs} == {"first", "second"}


def test_a_recurrent_model_gets_a_batch_of_one(trained: Any) -> None:
    inputs = trained.answers["recurrent"]["result"]["inputs"]
    assert inputs == [{"name": "x", "dtype": "float32", "shape": [1, 5, 2]}]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("holds_code", "SourceError", "holds a Lambda layer, that is Python code"),
        ("own_layer", "SourceError", "uses 'OwnLayer', which your own code defines"),
        ("batch_of_eight", "SourceError", "input 'x' takes exactly (8,) samples at a time"),
        ("truncated", "SourceError", "model.keras is not a Keras model"),
        ("text", "SourceError", "model.keras is not a Keras model"),
        ("no_such_operator", "UnsupportedTarget", "needs the operators MatrixDeterminant"),
        ("other_name", "DataError", "the samples hold y; the model takes x"),
        ("other_shape", "DataError", "'x' is (4, 5) float32; the model takes (N, 4) float32"),
        ("other_dtype", "DataError", "'x' is (4, 4) uint8; the model takes (N, 4) float32"),
    ],
)
def test_refuses_by_name(trained: Any, name: str, error: str, message: str) -> None:
    answer = trained.answers[name]
    assert answer["error"] == error
    assert message in answer["message"]
    assert "\n" not in answer["message"]


def test_reads_the_old_format_too(trained: Any, tmp_path: Path) -> None:
    folder = trained.folder / "quadrants"
    request = {"source": folder / "model.h5", "samples": folder / "preprocessed.npz"}
    request |= {"model": tmp_path / "m.tflite", "outputs": tmp_path / "o.npz"}
    told = run_in_child(
        "twite_build.converters.keras:convert", {key: str(path) for key, path in request.items()}
    )
    assert told["outputs"] == ["logits"]
    assert set(told["tools"]) >= {"keras"}
    old, new = load_tensors(tmp_path / "o.npz"), load_tensors(folder / "source.npz")
    assert (old["logits"] == new["logits"]).all()


def test_without_tensorflow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As an environment without it: the first module of that name on the path cannot be imported.
    (tmp_path / "tensorflow.py").write_text("raise ImportError(\"No module named 'tensorflow'\")\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(TwiteError, match=r'pip install "twite-build\[tensorflow\]"'):
        run_in_child("twite_build.converters.keras:convert", {"source": "model.keras"})


@pytest.fixture(scope="session")
def sources(made: Any) -> Any:
    return made("make_tensorflow.py")


@pytest.mark.parametrize("name", ["keras_make", "application"])
def test_functions_and_applications_answer_as_keras(sources: Any, name: str) -> None:
    assert "result" in sources.answers[name], sources.answers[name]
    place = sources.folder / name
    came = Engine(place / "fp32.tflite").run(load_tensors(place / "samples.npz"))
    for output, array in load_tensors(place / "source.npz").items():
        np.testing.assert_allclose(came[output], array, rtol=1e-3, atol=1e-5)


def test_random_weights_are_said(sources: Any) -> None:
    notes = sources.answers["application"]["result"]["notes"]
    assert notes == ["MobileNetV2 with random weights: its answers mean nothing"]


def test_a_misspelt_application_gets_a_suggestion(sources: Any) -> None:
    assert "did you mean 'MobileNetV2'?" in sources.answers["no_application"]["message"]
    assert "models.py:nothing has no fixed inputs" in sources.answers["keras_nothing"]["message"]
