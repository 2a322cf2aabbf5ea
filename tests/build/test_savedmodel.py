"""The SavedModel converter: what it refuses, and that what it converts answers as TensorFlow."""

from typing import Any

import numpy as np
import pytest

from twite.engine import Engine
from twite_build.scratch import load_tensors


@pytest.fixture(scope="session")
def sources(made: Any) -> Any:
    return made("make_tensorflow.py")


@pytest.mark.parametrize("name", ["two", "old"])
def test_the_converted_model_answers_as_tensorflow(sources: Any, name: str) -> None:
    assert "result" in sources.answers[name], sources.answers[name]
    place = sources.folder / name
    wanted, engine = load_tensors(place / "source.npz"), Engine(place / "fp32.tflite")
    came = engine.run(load_tensors(place / "samples.npz"))
    assert came.keys() == wanted.keys()
    for output, array in wanted.items():
        np.testing.assert_allclose(came[output], array, atol=1e-5)


def test_a_named_signature_keeps_a_free_batch(sources: Any) -> None:
    told = sources.answers["two"]["result"]
    assert told["inputs"] == [{"name": "x", "dtype": "float32", "shape": [-1, 4]}]
    assert told["outputs"] == ["y"]


def test_the_same_source_gives_the_same_bytes(sources: Any) -> None:
    assert sources.answers["twice"]["same"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("text", "UnsupportedTarget", "input 'text' is text; a .tflite takes numbers"),
        ("none", "SourceError", "saved has no signature; save the model with signatures="),
        ("typo", "RecipeError", "saved has no signature 'frist'; did you mean 'first'?"),
        ("lstm", "ConversionFailed", "a recurrent layer over a free batch; build from the .keras"),
    ],
)
def test_refuses_by_name(sources: Any, name: str, error: str, message: str) -> None:
    answer = sources.answers[name]
    assert answer["error"] == error
    assert message in answer["message"]
    assert "\n" not in answer["message"]
