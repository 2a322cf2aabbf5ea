"""Operators: whether the target's engine has all that a model uses, each in its version.

operator_versions.json holds what each engine registers; tools/operator_versions.py asked them.
"""

import json
import struct
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from twite.errors import EngineError
from twite_build.targets import Target

CUSTOM = ("AudioSpectrogram", "Mfcc", "TFLite_Detection_PostProcess")
"""Custom operators that every engine here registers beside the builtin ones."""


class Operator(NamedTuple):
    """One node of a model's graph; layer is the name of its first output tensor."""

    name: str
    version: int
    layer: str
    is_custom: bool = False


class Engine(NamedTuple):
    """What an engine registers: the first and last version of each operator."""

    version: str
    operators: dict[str, tuple[int, int]]


@lru_cache(maxsize=1)
def engines() -> dict[str, Engine]:
    text = files("twite_build").joinpath("operator_versions.json").read_text()
    return {
        name: Engine(table["version"], {k: tuple(v) for k, v in table["operators"].items()})
        for name, table in json.loads(text).items()
    }


def operators(model: Path) -> list[Operator]:
    """Every node of every graph of a .tflite, read without running it.

    Raises EngineError when the file is cut off or no .tflite at all.
    """
    try:
        return _operators(model.read_bytes())
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise EngineError(f"{model.name} is not a whole .tflite: {error}") from error


def _operators(content: bytes) -> list[Operator]:
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    root = schema.Model.GetRootAs(content, 0)
    found = []
    for graph in (root.Subgraphs(i) for i in range(root.SubgraphsLength())):
        for node in (graph.Operators(i) for i in range(graph.OperatorsLength())):
            code = root.OperatorCodes(node.OpcodeIndex())
            custom = code.CustomCode()
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = custom.decode() if custom else names.get(number, str(number))
            layer = graph.Tensors(node.Outputs(0)).Name() if node.OutputsLength() else b""
            found.append(Operator(name, code.Version(), layer.decode(), custom is not None))
    return found


def operator_problem(model: Path, target: Target) -> str | None:
    """What the target's engine lacks for this model, with the layer that needs it, or None."""
    engine = engines()[target.engine]
    who = f"{target.engine} {engine.version}"
    for operator in operators(model):
        where = f"layer '{operator.layer}'"
        if operator.is_custom and operator.name in CUSTOM:
            continue
        if operator.is_custom:
            return f"{where} needs the custom operator {operator.name}, which {who} has not"
        if operator.name not in engine.operators:
            return f"{where} needs the operator {operator.name}, which {who} has not"
        _, last = engine.operators[operator.name]
        if operator.version > last:
            return (
                f"{where} needs {operator.name} in version {operator.version}; {who} has it up to "
                f"version {last}"
            )
    return None
