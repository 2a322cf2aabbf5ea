"""The JAX converter: what it refuses, and that what it converts answers as JAX does."""

from typing import Any

import numpy as np
import pytest

from twite.engine import Engine
from twite_build.scratch import load_tensors


@pytest.fixture(scope="session")
def sources(made: Any) -> Any:
    return made("make_tensorflow.py")


@pytest.mark.parametrize("name", ["jax_make", "jax_two"])
def test_the_converted_function_answers_as_jax(sources: Any, name: str) -> None:
    assert "result" in sources.answers[name], sources.answers[name]
    place = sources.folder / name
    wanted, engine = load_tensors(place / "source.npz"), Engine(place / "fp32.tflite")
    came = engine.run(load_tensors(place / "samples.npz"))
    assert came.keys() == wanted.keys()
    for output, array in wanted.items():
        np.testing.assert_allclose(came[output], array, atol=1e-5)


def test_parameters_are_the_inputs_and_a_dictionary_the_outputs(sources: Any) -> None:
    engine = Engine(sources.folder / "jax_two" / "fp32.tflite")
    assert [spec.name for spec in engine.inputs] == ["a", "b"]
    assert [spec.name for spec in engine.outputs] == ["most", "sum"]


def test_no_arithmetic_of_shapes_is_left(sources: Any) -> None:
    operators = Engine(sources.folder / "jax_make" / "fp32.tflite").operators()
    assert operators.keys() - {"DELEGATE"} == {"TANH", "FULLY_CONNECTED", "SOFTMAX"}


def test_the_same_source_gives_the_same_bytes(sources: Any) -> None:
    assert sources.answers["jax_twice"]["same"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("jax_broken", "SourceError", "the function fails on one sample, 'x' (1, 4): "),
        ("jax_spectrum", "UnsupportedTarget", "the model needs the operators "),
    ],
)
def test_refuses_by_name(sources: Any, name: str, error: str, message: str) -> None:
    answer = sources.answers[name]
    assert answer["error"] == error
    assert message in answer["message"]
    assert "\n" not in answer["message"]
