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
    """errors in the order of the graph; worst are the names that add most error themselves."""

    errors: tuple[LayerError, ...]
    worst: tuple[str, ...]


def layer_errors(model: Path, quantized: bytes, samples: Tensors) -> Layers:
    """Run both models on the first samples and compare every layer's output by its name."""
    first = [{name: array[i : i + 1] for name, array in samples.items()} for i in range(SAMPLES)]
    first = [sample for sample in first if all(len(array) for array in sample.values())]
    wanted, came = _outputs(model.read_bytes(), first), _outputs(quantized, first)
    found: dict[str, float] = {}
    added: dict[str, float] = {}
    for inputs, name in _layers(model):
        if name in wanted and name in came and wanted[name].shape == came[name].shape:
            found[name] = _error(came[name], wanted[name])
            before = max((found.get(source, 0.0) for source in inputs), default=0.0)
            added[name] = found[name] - before
    worst = sorted(added, key=lambda name: added[name], reverse=True)
    return Layers(tuple(LayerError(name, error) for name, error in found.items()), tuple(worst))


def layer_names(model: Path) -> tuple[str, ...]:
    return tuple(name for _, name in _layers(model))


def _layers(model: Path) -> list[tuple[list[str], str]]:
    """Each operator's inputs and its first output, by the tensors' names, in running order."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(model.read_bytes(), 0).Subgraphs(0)
    names = [graph.Tensors(i).Name().decode() for i in range(graph.TensorsLength())]
    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        inputs = [operator.Inputs(j) for j in range(operator.InputsLength())]
        if operator.OutputsLength():
            sources = [names[index] for index in inputs if index >= 0]
            found.append((sources, names[operator.Outputs(0)]))
    return found


def _outputs(model: bytes, samples: list[Tensors]) -> dict[str, Array]:
    """Every tensor's values over the samples, float, without XNNPACK, which keeps none of them."""
    from litert_quantizer.utils import tfl_interpreter_utils as interpreters

    interpreter = interpreters.create_tfl_interpreter(
        model, use_xnnpack=False, num_threads=1, preserve_all_tensors=True
    )
    rows: dict[str, list[Array]] = {}
    for sample in samples:
        interpreters.invoke_interpreter_signature(interpreter, _as_taken(interpreter, sample))
        for name, array in interpreters.get_tensor_name_to_content_map(
            interpreter, dequantize=True
        ).items():
            if array.dtype.kind == "f":
                rows.setdefault(name, []).append(array)
    return {name: np.stack(arrays) for name, arrays in rows.items() if _same_shape(arrays)}


def _as_taken(interpreter: Any, sample: Tensors) -> Tensors:
    """The sample in the dtype of the interpreter's inputs, quantized where they are integers."""
    runner = interpreter.get_signature_runner()
    taken = {}
    for name, detail in runner.get_input_details().items():
        array, (scale, zero_point) = sample[name], detail["quantization"]
        if scale and array.dtype.kind == "f":
            limits = np.iinfo(detail["dtype"])
            array = np.clip(np.rint(array / scale) + zero_point, limits.min, limits.max)
        taken[name] = array.astype(detail["dtype"])
    return taken


def _same_shape(arrays: list[Array]) -> bool:
    return all(array.shape == arrays[0].shape for array in arrays)


def _error(came: Array, wanted: Array) -> float:
    exact = wanted.astype(np.float64)
    difference = float(np.sqrt(np.mean((came - exact) ** 2)))
    spread = float(exact.std()) or float(np.abs(exact).max(initial=0.0))
    return difference / spread if spread else difference
