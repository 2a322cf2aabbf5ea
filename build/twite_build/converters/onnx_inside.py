"""The part of the ONNX converter that runs in its own environment, where no twite is installed.

    python -I onnx_inside.py '{"step": "describe" | "convert", "onnx": …, "folder": …, …}'

folder/samples.npz holds the samples as the bundle takes them. "convert" writes model.tflite and
answers.npz beside them, the answers by onnxruntime.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

BATCH = 64
PREFIX = "tensor."
TOOLS = ("onnx2tf", "onnx", "onnxruntime")
Array = np.ndarray[Any, Any]
Asked = dict[str, str]
SMALLER: dict[str, Any] = {"float64": np.float32}


class Refusal(Exception):
    """kind is a key of the caller's ERRORS."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def main(asked: Asked) -> None:
    try:
        model = load(asked["onnx"])
        answer = describe(model, asked) if asked["step"] == "describe" else convert(model, asked)
    except Refusal as refusal:
        answer = {"error": refusal.kind, "message": str(refusal)}
    Path(asked["answer"]).write_text(json.dumps(answer))


def load(path: str) -> Any:
    try:
        model = onnx.load(path)
    except Exception as error:
        raise Refusal("source", f"{path} is not an ONNX model: {first_line(error)}") from error
    nodes = list(every_node(model.graph))
    if not nodes:
        raise Refusal("source", f"{path} has no operators")
    learned = sorted({node.op_type for node in nodes if node.domain == "ai.onnx.ml"})
    if learned:
        raise Refusal(
            "unsupported",
            f"{path} holds {', '.join(learned)} of ai.onnx.ml, which no TFLite runtime has; build "
            'from the scikit-learn model itself: [source] file = "model.joblib"',
        )
    known = {function.domain for function in model.functions} | {"", "ai.onnx", "com.microsoft"}
    custom = sorted({f"{n.domain}.{n.op_type}" for n in nodes if n.domain not in known})
    if custom:
        raise Refusal("unsupported", f"{path} needs the custom operators {', '.join(custom)}")
    return model


def every_node(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from every_node(inner)


def describe(model: Any, asked: Asked) -> dict[str, Any]:
    """The inputs as the bundle takes them: channels last where the layout is nhwc."""
    return {"inputs": [spec(value, asked) for value in inputs_of(model)]}


def inputs_of(model: Any) -> list[Any]:
    fixed = {initializer.name for initializer in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in fixed]


def spec(value: Any, asked: Asked) -> dict[str, Any]:
    kind = value.type.tensor_type
    if kind.elem_type in (0, onnx.TensorProto.STRING):
        raise Refusal("unsupported", f"input '{value.name}' is no tensor of numbers")
    shape = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]
    if shape[:1] not in ([-1], [1]):
        raise Refusal(
            "source",
            f"input '{value.name}' takes exactly {shape[:1]} samples at a time; export the model "
            "with a free batch, or with 1",
        )
    if is_turned(asked, len(shape)):
        shape = [shape[0], *shape[2:], shape[1]]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return {"name": value.name, "dtype": dtype, "shape": shape}


def is_turned(asked: Asked, rank: int) -> bool:
    return asked["layout"] == "nhwc" and rank == 4


def convert(model: Any, asked: Asked) -> dict[str, Any]:
    with np.load(Path(asked["folder"], "samples.npz"), allow_pickle=False) as file:
        samples = {name.removeprefix(PREFIX): file[name] for name in file.files}
    specs = {table["name"]: table for table in describe(model, asked)["inputs"]}
    # A free batch costs the shapes of everything behind it, and XNNPACK its whole picture.
    has_pictures = any(array.ndim == 4 for array in samples.values())
    has_one = any(table["shape"][0] == 1 for table in specs.values())
    is_free = any(-1 in table["shape"][1:] for table in specs.values())
    batch = 1 if has_pictures or has_one or is_free else None
    own = {name: to_native(asked, array) for name, array in samples.items()}
    answers = run(asked["onnx"], own, 1 if has_one else BATCH)
    np.savez(Path(asked["folder"], "answers.npz"), allow_pickle=False, **answers)
    write_tflite(asked, own, batch)
    return {"batch": batch, "tools": {tool: version(tool) for tool in TOOLS}}


def to_native(asked: Asked, array: Array) -> Array:
    return array.transpose(0, 3, 1, 2) if is_turned(asked, array.ndim) else array


def run(path: str, samples: dict[str, Array], step: int) -> dict[str, Array]:
    """What onnxruntime answers to the samples, step at a time."""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        count, batches = len(next(iter(samples.values()))), []
        for start in range(0, count, step):
            rows = {n: np.ascontiguousarray(a[start : start + step]) for n, a in samples.items()}
            batches.append(session.run(names, rows))
    except Exception as error:
        raise Refusal("source", f"onnxruntime cannot run {path}: {first_line(error)}") from error
    joined = {n: np.concatenate([b[i] for b in batches]) for i, n in enumerate(names)}
    return {PREFIX + n: a.astype(SMALLER.get(a.dtype.name, a.dtype)) for n, a in joined.items()}


def write_tflite(asked: Asked, samples: dict[str, Array], batch: int | None) -> None:
    import onnx2tf

    folder = Path(asked["folder"], "converted")
    options: dict[str, Any] = {}
    if asked["layout"] == "native":
        options["keep_shape_absolutely_input_names"] = list(samples)
    source = asked["onnx"] if batch is None else with_shapes(asked, samples)
    try:
        onnx2tf.convert(
            input_onnx_file_path=source,
            output_folder_path=str(folder),
            non_verbose=True,
            **options,
        )
    except (Exception, SystemExit) as error:
        reason = f"onnx2tf refused {asked['onnx']}: {first_line(error)}"
        raise Refusal("conversion", reason) from error
    made = sorted(folder.glob("*_float32.tflite"))
    if not made:
        raise Refusal("conversion", f"onnx2tf wrote no model for {asked['onnx']}")
    made[0].rename(Path(asked["folder"], "model.tflite"))


def with_shapes(asked: Asked, samples: dict[str, Array]) -> str:
    """A copy of the model that takes one sample in the samples' shape."""
    model = onnx.load(asked["onnx"])
    for value in inputs_of(model):
        sizes = (1, *samples[value.name].shape[1:])
        for dimension, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
            dimension.dim_value = size
    for value in model.graph.output:
        for dimension in value.type.tensor_type.shape.dim[:1]:
            dimension.dim_value = 1
    del model.graph.value_info[:]
    path = Path(asked["folder"], "shaped.onnx")
    onnx.save(model, path)
    return str(path)


def first_line(error: object) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
