"""Make the ONNX files of the tests; runs in the environment of the ONNX converter.

python make_onnx.py FOLDER
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(5)


def main(folder: Path) -> None:
    save(folder / "pictures", pictures())
    save(folder / "rows", rows())
    save(
        folder / "learned", one_node("LinearRegressor", domain="ai.onnx.ml", coefficients=[1.0] * 8)
    )
    save(folder / "custom", one_node("Own", domain="my.domain"))
    save(folder / "text", one_node("Identity", kind=TensorProto.STRING))
    save(folder / "eight", one_node("Tanh", batch=8))
    (folder / "damaged").mkdir()
    (folder / "damaged" / "model.onnx").write_bytes(b"not a model")


def save(place: Path, graph: Any) -> None:
    place.mkdir()
    domains = ("", "ai.onnx.ml", "my.domain")
    opsets = [helper.make_opsetid(domain, 3 if domain else 17) for domain in domains]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 9
    onnx.save(model, place / "model.onnx")


def pictures() -> Any:
    """Channels first: a convolution, its mean over the picture, five classes."""
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["c"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "weights"], ["logits"]),
    ]
    weights = [constant("filters", (8, 3, 3, 3)), constant("weights", (8, 5))]
    return graph(nodes, tensor("image", "N", 3, 16, 16), tensor("logits", "N", 5), weights)


def rows() -> Any:
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["m"]),
        helper.make_node("Tanh", ["m"], ["y"]),
    ]
    return graph(nodes, tensor("x", "N", 8), tensor("y", "N", 5), [constant("weights", (8, 5))])


def one_node(
    operator: str, domain: str = "", batch: Any = "N", kind: int = TensorProto.FLOAT, **keys: Any
) -> Any:
    node = helper.make_node(operator, ["x"], ["y"], domain=domain, **keys)
    return graph([node], tensor("x", batch, 8, kind=kind), tensor("y", batch, 8, kind=kind), [])


def graph(nodes: Any, came: Any, gone: Any, weights: Any) -> Any:
    return helper.make_graph(nodes, "graph", [came], [gone], weights)


def tensor(name: str, *shape: Any, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, shape: tuple[int, ...]) -> Any:
    return numpy_helper.from_array(RANDOM.normal(0, 1, shape).astype(np.float32), name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
