"""Layers: how far each is off in a quantized model, and which are worth leaving float."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twite.tensors import Array, Tensors

SAMPLES = 8


class LayerError(NamedTuple):
    """The error of one layer's output against the float model's, in the order of the graph.

    error is the root mean square of the difference over the standard deviation of the float
    model's values: 0 is exact, 1 is as bad as answering the mean.
    """

    name: str
    error: float


class Layers(NamedTuple):
    """errors in the order of the graph; steps are the layers to leave float, one step at a time."""

    errors: tuple[LayerError, ...]
    steps: tuple[tuple[str, ...], ...]


class _Sums(NamedTuple):
    """Sums over the values of one layer, enough for an error: how many, Δ², x, x²."""

    size: float
    missed: float
    total: float
    squared: float

    @property
    def error(self) -> float:
        if not self.size:
            return 0.0
        mean = self.total / self.size
        spread = self.squared / self.size - mean * mean
        scale = spread if spread > 0 else self.squared / self.size
        missed = self.missed / self.size
        return float(np.sqrt(missed / scale)) if scale else float(np.sqrt(missed))


def layer_errors(
    model: Path, quantized: bytes, samples: Tensors, signature: str | None = None
) -> Layers:
    """Run both models on the first samples and compare every layer's output by its name.

    Of several signatures those layers count that the named one runs.
    """
    content = model.read_bytes()
    graph = _graph_of(content, signature)
    layers = _layers(content, graph)
    names = {name for _, name in layers}
    pair = [_interpreter(each) for each in (content, quantized)]
    tensors = [_tensors(interpreter, names, graph) for interpreter in pair]
    sums: dict[str, _Sums] = {}
    for i in range(min(SAMPLES, len(next(iter(samples.values()))))):
        for interpreter in pair:
            row = {name: array[i : i + 1] for name, array in samples.items()}
            _invoke(interpreter, row, signature)
        for name in tensors[0].keys() & tensors[1].keys():
            wanted, came = (_values(*one, name, graph) for one in zip(pair, tensors, strict=True))
            sums[name] = _added(sums.get(name, _Sums(0, 0, 0, 0)), came, wanted)
    found: dict[str, float] = {}
    added: dict[str, float] = {}
    for inputs, name in layers:
        if name in sums:
            found[name] = sums[name].error
            before = max((found.get(source, 0.0) for source in inputs), default=0.0)
            added[name] = found[name] - before
    errors = tuple(LayerError(name, error) for name, error in found.items())
    return Layers(errors, _steps(added, {name: inputs for inputs, name in layers}))


def _steps(added: dict[str, float], sources: dict[str, list[str]]) -> tuple[tuple[str, ...], ...]:
    """The worst layer, it with those that it reads from, then the worst two, three, …

    A tensor is float only where the layers on both of its sides are.
    """
    worst = sorted(added, key=lambda name: added[name], reverse=True)
    if not worst:
        return ()
    around = dict.fromkeys((worst[0], *(name for name in sources[worst[0]] if name in added)))
    steps = [tuple(worst[:1]), tuple(around), *(tuple(worst[:n]) for n in range(2, len(worst)))]
    return tuple(dict.fromkeys(steps))


def layer_names(model: Path) -> tuple[str, ...]:
    """Of every graph of the file."""
    content = model.read_bytes()
    count = _schema().Model.GetRootAs(content, 0).SubgraphsLength()
    return tuple(name for graph in range(count) for _, name in _layers(content, graph))


def _graph_of(content: bytes, signature: str | None) -> int:
    """The number of the graph that a signature runs, the first without one."""
    root = _schema().Model.GetRootAs(content, 0)
    for i in range(root.SignatureDefsLength()):
        found = root.SignatureDefs(i)
        if signature is not None and found.SignatureKey() == signature.encode():
            return int(found.SubgraphIndex())
    return 0


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def _layers(content: bytes, number: int) -> list[tuple[list[str], str]]:
    """Each operator's inputs and its first output, by the tensors' names, in running order."""
    graph = _schema().Model.GetRootAs(content, 0).Subgraphs(number)
    names = [graph.Tensors(i).Name().decode() for i in range(graph.TensorsLength())]
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        inputs = [operator.Inputs(j) for j in range(operator.InputsLength())]
        if operator.OutputsLength():
            sources = [names[index] for index in inputs if index >= 0]
            found.append((sources, names[operator.Outputs(0)]))
    return found


def _interpreter(model: bytes) -> Any:
    """Without XNNPACK, which keeps none of the values between its layers."""
    from litert_quantizer.utils import tfl_interpreter_utils as interpreters

    return interpreters.create_tfl_interpreter(
        model, use_xnnpack=False, num_threads=1, preserve_all_tensors=True
    )


def _tensors(interpreter: Any, names: set[str], graph: int) -> dict[str, Any]:
    """The details of the tensors of these names, each once."""
    details = interpreter.get_tensor_details(graph)
    return {detail["name"]: detail for detail in details if detail["name"] in names}


def _invoke(interpreter: Any, sample: Tensors, signature: str | None) -> None:
    from litert_quantizer.utils import tfl_interpreter_utils as interpreters

    taken = _as_taken(interpreter, sample, signature)
    interpreters.invoke_interpreter_signature(interpreter, taken, signature)


def _values(interpreter: Any, tensors: dict[str, Any], name: str, graph: int) -> Array:
    """What a layer answered last, dequantized, float64; empty where it is no number."""
    from litert_quantizer.utils import tfl_interpreter_utils as interpreters

    array: Array = interpreters.get_tensor_data(interpreter, tensors[name], graph)
    return array.astype(np.float64) if array.dtype.kind == "f" else np.zeros(0)


def _added(sums: _Sums, came: Array, wanted: Array) -> _Sums:
    if came.shape != wanted.shape:
        return sums
    missed = float(np.sum((came - wanted) ** 2))
    total, squared = float(wanted.sum()), float(np.sum(wanted**2))
    return _Sums(
        sums.size + wanted.size,
        sums.missed + missed,
        sums.total + total,
        sums.squared + squared,
    )


def _as_taken(interpreter: Any, sample: Tensors, signature: str | None) -> Tensors:
    """The sample in the dtype of the interpreter's inputs, quantized where they are integers."""
    runner = interpreter.get_signature_runner(signature)
    taken = {}
    for name, detail in runner.get_input_details().items():
        array, (scale, zero_point) = sample[name], detail["quantization"]
        if scale and array.dtype.kind == "f":
            limits = np.iinfo(detail["dtype"])
            array = np.clip(np.rint(array / scale) + zero_point, limits.min, limits.max)
        taken[name] = array.astype(detail["dtype"])
    return taken
