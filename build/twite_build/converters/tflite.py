"""A `.tflite` as the source: checked, run on the samples, and kept byte by byte.

What is float is quantized further by the ladder; what is integer already is verified as it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twite.engine import Engine
from twite.errors import EngineError, UnsupportedTarget
from twite_build.converters.request import Converted, answer_all, check_samples, read, write
from twite_build.errors import SourceError
from twite_build.model_file import TensorType, custom_operators, tensor_types
from twite_build.recipe import Quantization

IDENTIFIER = b"TFL3"


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and its answers; converters/request.py says what is answered."""
    asked = read(request)
    content = asked.path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise SourceError(f"{asked.path} is not a .tflite file")
    engine = _engine(asked.path, content)
    for spec in engine.inputs:
        if not spec.is_batched:
            raise SourceError(f"input '{spec.name}' is {spec}; its first dimension must be a batch")
    check_samples(asked.samples, engine.inputs)
    answers = answer_all(engine.run, asked.samples)
    quantization = _quantization(tensor_types(content))
    notes = (f"quantized already ({quantization}): verified as it is",) if quantization else ()
    tools = ("ai-edge-litert",)
    return write(
        asked,
        Converted(content, engine.inputs, answers, tools, notes, quantization=quantization),
    )


def _engine(path: Path, content: bytes) -> Engine:
    try:
        return Engine(path)
    except EngineError as error:
        names = ", ".join(custom_operators(content))
        if not names:
            raise
        raise UnsupportedTarget(
            f"{path} needs the operators {names}, which no TFLite runtime here has; convert the "
            "model again without them"
        ) from error


def _quantization(types: list[TensorType]) -> Quantization | None:
    """How a model is quantized, by its tensors; None for a float32 one."""
    weights = {kind.dtype for kind in types if kind.is_constant and kind.size_bytes >= 64}
    values = {kind.dtype for kind in types if not kind.is_constant and kind.is_quantized}
    if values & {"int8", "uint8", "int16"}:
        return "int8-static"
    if "int8" in weights or "uint8" in weights:
        return "int8-dynamic"
    return "fp16" if "float16" in weights else None
