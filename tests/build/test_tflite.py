"""A `.tflite` as the source is kept as it is, and refused where no runtime here can run it."""

from typing import Any

import pytest

from twite_build.model_file import tensor_types


@pytest.fixture(scope="session")
def sources(made: Any) -> Any:
    return made("make_tensorflow.py")


def test_a_float_model_is_kept_and_may_be_quantized(sources: Any) -> None:
    answer = sources.answers["tflite_float"]
    assert answer["kept"]
    assert answer["result"]["quantization"] is None
    assert answer["result"]["outputs"] == ["y"]


def test_a_quantized_model_is_kept_and_says_so(sources: Any) -> None:
    answer = sources.answers["tflite_int8"]
    assert answer["kept"]
    assert answer["result"]["quantization"] == "int8-static"
    assert answer["result"]["notes"] == ["quantized already (int8-static): verified as it is"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "tflite_flex",
            "UnsupportedTarget",
            "flex.tflite needs the operators FlexIdent",
        ),
        ("tflite_text", "SourceError", "text.tflite is not a .tflite file"),
    ],
)
def test_refuses_by_name(sources: Any, name: str, error: str, message: str) -> None:
    answer = sources.answers[name]
    assert answer["error"] == error
    assert message in answer["message"]


def test_tensors_are_read_without_running_the_model(sources: Any) -> None:
    types = tensor_types((sources.folder / "tflite" / "int8.tflite").read_bytes())
    assert {"int8", "float32"} <= {kind.dtype for kind in types}
    assert any(kind.is_constant and kind.is_quantized for kind in types)
