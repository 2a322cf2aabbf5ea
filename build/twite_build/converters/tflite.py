"""A `.tflite` as the source: checked, run on the samples, and kept byte by byte.

What is float is quantized further by the ladder; what is integer already is verified as it is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twite.engine import Engine, signatures
from twite.errors import EngineError, UnsupportedTarget
from twite.fields import suggestion
from twite.quantized import dequantize, quantize
from twite.signatures import DEFAULT
from twite.tensors import Tensors
from twite_build.converters.request import (
    Converted,
    Further,
    Request,
    answer_all,
    check_samples,
    further,
    read,
    write,
)
from twite_build.errors import RecipeError, SourceError
from twite_build.model_file import TensorType, custom_operators, tensor_types
from twite_build.recipe import Quantization

IDENTIFIER = b"TFL3"


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and its answers; converters/request.py says what is answered."""
    asked = read(request)
    content = asked.path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise SourceError(f"{asked.path} is not a .tflite file")
    names = _signatures(asked)
    main = names[0] if names else None
    engine = _engine(asked.path, content, main)
    for spec in engine.inputs:
        if not spec.is_batched:
            raise SourceError(f"input '{spec.name}' is {spec}; its first dimension must be a batch")
    check_samples(asked.samples, engine.inputs)
    answers = answer_all(engine.run, asked.samples)
    others = [_further(name, asked) for name in names[1:]]
    quantization = _quantization(tensor_types(content))
    notes = (f"quantized already ({quantization}): verified as it is",) if quantization else ()
    tools = ("ai-edge-litert",)
    return write(
        asked,
        Converted(
            content,
            engine.inputs,
            answers,
            tools,
            notes,
            quantization=quantization,
            signature=main,
            further=others,
        ),
    )


def _signatures(asked: Request) -> list[str]:
    """The main signature's name and the others'; nothing for a file that has one at most.

    A file's own are all taken unless the recipe picks; the main one is the recipe's, or
    serving_default, or the first.
    """
    known, source = list(signatures(asked.path)), asked.source
    picked = list(source.signatures) or known
    for name in (*picked, *filter(None, [source.signature])):
        if name not in known:
            raise RecipeError(f"{asked.path} has no signature '{name}'{suggestion(name, known)}")
    if len(known) < 2:
        return []
    default = DEFAULT if DEFAULT in picked and not source.signatures else picked[0]
    return list(dict.fromkeys((source.signature or default, *picked)))


def _further(name: str, asked: Request) -> Further:
    engine = Engine(asked.path, signature=name)

    def run(rows: Tensors) -> Tensors:
        return dequantize(engine.run(quantize(rows, engine.inputs)), engine.outputs)

    return further(name, engine.inputs, asked.samples, run)


def _engine(path: Path, content: bytes, signature: str | None) -> Engine:
    try:
        return Engine(path, signature=signature)
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
