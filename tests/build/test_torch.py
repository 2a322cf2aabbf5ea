"""The PyTorch converter: what it refuses, and that what it converts answers as PyTorch does."""

from typing import Any

import numpy as np
import pytest

from twite.engine import Engine
from twite_build.scratch import load_tensors


@pytest.fixture(scope="session")
def sources(made: Any) -> Any:
    return made("make_torch.py")


@pytest.mark.parametrize("name", ["make", "two", "loaded", "one"])
def test_the_converted_model_answers_as_pytorch(sources: Any, name: str) -> None:
    folder, answers = sources.folder, sources.answers
    assert "result" in answers[name], answers[name]
    wanted = load_tensors(folder / name / "source.npz")
    came = Engine(folder / name / "fp32.tflite").run(load_tensors(folder / name / "samples.npz"))
    assert came.keys() == wanted.keys()
    for output, array in wanted.items():
        np.testing.assert_allclose(came[output], array, atol=1e-5)


def test_pictures_come_channels_last_and_nothing_is_transposed(sources: Any) -> None:
    engine = Engine(sources.folder / "make" / "fp32.tflite")
    assert [(spec.name, spec.shape) for spec in engine.inputs] == [("image", (1, 16, 16, 3))]
    assert [spec.name for spec in engine.outputs] == ["logits"]
    assert {"CONV_2D", "DEPTHWISE_CONV_2D"} < engine.operators().keys()
    assert "TRANSPOSE" not in engine.operators()


def test_inputs_and_outputs_have_their_names(sources: Any) -> None:
    engine = Engine(sources.folder / "two" / "fp32.tflite")
    assert [spec.name for spec in engine.inputs] == ["a", "b"]
    assert [spec.name for spec in engine.outputs] == ["sum", "tangent"]


def test_the_same_source_gives_the_same_bytes(sources: Any) -> None:
    assert sources.answers["twice"]["same"]


def test_weights_that_the_function_reads_are_noted_with_their_hash(sources: Any) -> None:
    assert list(sources.answers["loaded"]["result"]["files"]) == ["weights.pt"]
    assert sources.answers["make"]["result"]["files"] == {}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("number", "SourceError", "nets.py:number returns int; it must return an nn.Module"),
        ("broken", "SourceError", "the model fails on one sample, 'x' (1, 4): "),
        ("failing", "SourceError", "(failing) raised ZeroDivisionError: division by zero"),
        ("scripted", "SourceError", "nets.py:scripted returns TorchScript"),
        ("absent", "SourceError", "nets.py has no function 'absent'"),
        ("two_rows", "SourceError", "model.pt2 input 'input' takes exactly 2 samples"),
    ],
)
def test_refuses_by_name(sources: Any, name: str, error: str, message: str) -> None:
    answer = sources.answers[name]
    assert answer["error"] == error
    assert message in answer["message"]
    assert "\n" not in answer["message"]


def test_an_operator_that_has_no_translation_is_a_refusal(sources: Any) -> None:
    answer = sources.answers["sorted_rows"]
    assert answer["error"] in ("ConversionFailed", "UnsupportedTarget")
    assert "\n" not in answer["message"]
