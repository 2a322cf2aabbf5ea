"""What the tensors and operators of a `.tflite` are, read from the file without running it."""

from typing import Any, NamedTuple


class TensorType(NamedTuple):
    """is_constant: its values are in the file; is_quantized: integers stand for real values."""

    dtype: str
    is_constant: bool
    is_quantized: bool
    size_bytes: int


def tensor_types(content: bytes) -> list[TensorType]:
    """Of all subgraphs; an empty list of a model that has none."""
    schema = _schema()
    names = {
        value: name.lower()
        for name, value in vars(schema.TensorType).items()
        if isinstance(value, int)
    }
    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    found = []
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            how, buffer = tensor.quantization, model.buffers[tensor.buffer]
            size = 0 if buffer.data is None else len(buffer.data)
            is_quantized = how is not None and how.scale is not None and len(how.scale) > 0
            found.append(TensorType(names[tensor.type], size > 0, is_quantized, size))
    return found


def custom_operators(content: bytes) -> list[str]:
    """The names of operators outside of TFLite's own; TensorFlow's begin with Flex."""
    model: Any = _schema().ModelT.InitFromPackedBuf(content, 0)
    names = {code.customCode for code in model.operatorCodes if code.customCode}
    return sorted(name.decode() for name in names)


def with_first(content: bytes, signature: str) -> bytes:
    """The model with the graph of this signature in front, as accelerators want it.

    Unchanged where graphs name each other by their numbers, as those of loops do.
    """
    from flatbuffers import Builder

    model: Any = _schema().ModelT.InitFromPackedBuf(content, 0)
    numbers = {each.signatureKey.decode(): each.subgraphIndex for each in model.signatureDefs}
    own = numbers[signature]
    if own == 0 or any(map(_names_graphs, model.subgraphs)):
        return content
    graphs = model.subgraphs
    graphs[0], graphs[own] = graphs[own], graphs[0]
    for each in model.signatureDefs:
        each.subgraphIndex = {0: own, own: 0}.get(each.subgraphIndex, each.subgraphIndex)
    builder = Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _names_graphs(graph: Any) -> bool:
    options = [each for op in graph.operators for each in (op.builtinOptions, op.builtinOptions2)]
    return any("ubgraph" in name for each in options if each is not None for name in vars(each))


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated
