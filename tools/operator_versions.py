"""Which versions of which operators an engine registers, asked of the engine itself.

    python tools/operator_versions.py PYTHON… > build/twite_build/operator_versions.json

Each PYTHON is an interpreter whose environment has ai-edge-litert or tflite-runtime. A model that
only names an operator and a version loads if, and only if, the engine has it.
"""

import base64
import json
import subprocess
import sys

VERSIONS = range(1, 25)

ASK = """
import base64, json, sys
try:
    import tflite_runtime as package
    from tflite_runtime.interpreter import Interpreter
    name = "tflite-runtime"
except ImportError:
    import ai_edge_litert as package
    from ai_edge_litert.interpreter import Interpreter
    name = "ai-edge-litert"
found = {}
for operator, models in json.load(sys.stdin).items():
    for version, model in models.items():
        try:
            Interpreter(model_content=base64.b64decode(model))
        except ValueError:
            continue
        found.setdefault(operator, []).append(int(version))
json.dump({"engine": name, "version": package.__version__, "operators": found}, sys.stdout)
"""


def main(pythons: list[str]) -> None:
    probes = json.dumps(models())
    tables = {}
    for python in pythons:
        done = subprocess.run(
            [python, "-c", ASK], input=probes, capture_output=True, text=True, check=True
        )
        told = json.loads(done.stdout)
        ranges = {name: ends(name, found) for name, found in sorted(told["operators"].items())}
        tables[told["engine"]] = {"version": told["version"], "operators": ranges}
    lines = [f'  "{name}": {json.dumps(table)}' for name, table in sorted(tables.items())]
    print("{\n" + ",\n".join(lines) + "\n}")


def ends(name: str, versions: list[int]) -> tuple[int, int]:
    if versions != list(range(versions[0], versions[-1] + 1)):
        raise SystemExit(f"{name} has gaps in its versions: {versions}")
    return versions[0], versions[-1]


def models() -> dict[str, dict[int, str]]:
    """A model of nothing but one operator code, base64, by the operator's name and version."""
    from ai_edge_litert import schema_py_generated as schema

    codes = {
        name: code for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
    }
    return {
        name: {
            version: base64.b64encode(model(schema, code, version)).decode() for version in VERSIONS
        }
        for name, code in codes.items()
        if name not in ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")
    }


def model(schema: object, code: int, version: int) -> bytes:
    import flatbuffers

    operator, graph = schema.OperatorCodeT(), schema.SubGraphT()
    operator.deprecatedBuiltinCode, operator.builtinCode = min(code, 127), code
    operator.version = version
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], []
    whole = schema.ModelT()
    whole.version, whole.operatorCodes = 3, [operator]
    whole.subgraphs, whole.buffers = [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(256)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":
    main(sys.argv[1:])
