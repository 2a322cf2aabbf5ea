"""The engine: one TFLite interpreter behind named tensors.

Interpreters are imported here and in twite.accelerators, which runs in processes of its own. One
owner an engine: two threads must not share one.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from twite.accelerator_status import AcceleratorStatus
from twite.errors import EngineError, UnsupportedTarget
from twite.processors import processors
from twite.settings import read_engine
from twite.tensors import DType, Quantization, Tensors, TensorSpec

PACKAGES = {"ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
"""The engines, the preferred one first. The second is for where the first has no wheel."""


def _choose(wanted: str | None) -> tuple[str, str, Any]:
    """Name, version and module `interpreter` of the engine; raises UnsupportedTarget."""
    for name in [wanted] if wanted else PACKAGES:
        try:
            package = import_module(PACKAGES[name])
        except ModuleNotFoundError:
            continue
        return name, package.__version__, import_module(f"{PACKAGES[name]}.interpreter")
    names = wanted or " or ".join(PACKAGES)
    raise UnsupportedTarget(f"the engine {names} is not installed here: pip install {names}")


NAME, VERSION, _interpreters = _choose(read_engine())
Interpreter, load_delegate = _interpreters.Interpreter, _interpreters.load_delegate


class Engine:
    """A loaded model.

    inputs and outputs carry the names of the signature, which is the model's only one where none
    is named, or the tensors' own names where there is none. Raises EngineError when the file is not
    a model that this engine runs.
    """

    name = NAME
    version = VERSION
    may_block = False
    """Whether a run may wait for another process; one that may is kept off the event loop."""

    def __init__(
        self, model_path: Path, threads: int | None = None, signature: str | None = None
    ) -> None:
        self.threads = threads or processors()
        self._path = model_path
        self._signature = signature
        self._load()

    def _load(self) -> None:
        try:
            self._interpreter = Interpreter(model_path=str(self._path), num_threads=self.threads)
            self._interpreter.allocate_tensors()
            if self._signature is not None:
                from twite.signature_interpreter import at_signature

                self._interpreter = at_signature(self._interpreter, self._signature)
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"{NAME} {self.version} cannot load {self._path}: {error}") from error
        inputs, outputs = signature_names(self._interpreter, self._signature)
        self.inputs, self._inputs = _specs(self._interpreter.get_input_details(), inputs)
        self.outputs, self._outputs = _specs(self._interpreter.get_output_details(), outputs)
        self._steps_over_batch = all(spec.shape[:1] == (1,) for spec in self.inputs)
        self._sizes = {spec.name: tuple(abs(n) for n in spec.shape) for spec in self.inputs}

    def status(self) -> AcceleratorStatus | None:
        """Nothing: this is the CPU. An AcceleratedEngine says more."""
        return None

    @property
    def xnnpack(self) -> bool:
        """Whether XNNPACK took at least one operator; without it a model runs many times slower."""
        return any(op["op_name"] == "DELEGATE" for op in self._interpreter._get_ops_details())

    def run(self, tensors: Tensors) -> Tensors:
        """Run the model on tensors that fit `inputs`; the arrays returned belong to the caller.

        A variable batch is resized, a batch of 1 is run once a row. Raises EngineError when the
        interpreter fails; it is then rebuilt, because its outputs would be those of the last run.
        """
        if self._steps_over_batch:
            rows = max(map(len, tensors.values()))
            if rows != 1:
                return self._run_rows(tensors, rows)
        return self._invoke(tensors)

    def _run_rows(self, tensors: Tensors, rows: int) -> Tensors:
        answers = [
            self._invoke({name: array[row : row + 1] for name, array in tensors.items()})
            for row in range(rows)
        ]
        return {
            spec.name: np.concatenate([answer[spec.name] for answer in answers])
            for spec in self.outputs
        }

    def _invoke(self, tensors: Tensors) -> Tensors:
        interpreter = self._interpreter
        try:
            self._resize(tensors)
            for name, index in self._inputs.items():
                interpreter.set_tensor(index, tensors[name])
            interpreter.invoke()
            return {name: interpreter.get_tensor(i) for name, i in self._outputs.items()}
        except (ValueError, RuntimeError) as error:
            self._load()
            raise EngineError(f"{NAME} failed in {self._path.name}: {error}") from error

    def _resize(self, tensors: Tensors) -> None:
        changed = [name for name in self._sizes if tensors[name].shape != self._sizes[name]]
        if not changed:
            return
        for name in changed:
            self._interpreter.resize_tensor_input(self._inputs[name], tensors[name].shape)
            self._sizes[name] = tensors[name].shape
        self._interpreter.allocate_tensors()

    def operators(self) -> dict[str, int]:
        """How often the loaded graph has each operator, most frequent first.

        Nodes that XNNPACK took over still stand here, beside the DELEGATE that replaced them.
        """
        counts: dict[str, int] = {}
        for op in self._interpreter._get_ops_details():
            counts[op["op_name"]] = counts.get(op["op_name"], 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def signatures(model_path: Path) -> tuple[str, ...]:
    """The names of a model's signatures; raises EngineError."""
    try:
        interpreter = Interpreter(model_path=str(model_path))
    except (ValueError, RuntimeError) as error:
        raise EngineError(f"{NAME} {VERSION} cannot load {model_path}: {error}") from error
    return tuple(interpreter._get_full_signature_list())


def signature_names(
    interpreter: Any, wanted: str | None = None
) -> tuple[dict[int, str], dict[int, str]]:
    """Tensor index to public name in the wanted signature, or in the only one; empty without."""
    signatures = interpreter._get_full_signature_list()
    if wanted not in signatures and len(signatures) != 1:
        return {}, {}
    signature = signatures[wanted if wanted in signatures else next(iter(signatures))]
    return (
        {int(index): name for name, index in signature["inputs"].items()},
        {int(index): name for name, index in signature["outputs"].items()},
    )


def _specs(
    details: list[dict[str, Any]], names: dict[int, str]
) -> tuple[tuple[TensorSpec, ...], dict[str, int]]:
    """The specifications in the order of their names, and each name's tensor index."""
    specs: dict[str, TensorSpec] = {}
    indices: dict[str, int] = {}
    for detail in details:
        index = int(detail["index"])
        name = names.get(index, str(detail["name"]))
        shape = tuple(int(size) for size in detail["shape_signature"])
        dtype = cast(DType, np.dtype(detail["dtype"]).name)
        specs[name] = TensorSpec(name, dtype, shape, _quantization(detail))
        indices[name] = index
    return tuple(specs[name] for name in sorted(specs)), indices


def _quantization(detail: dict[str, Any]) -> Quantization | None:
    """What the integers of an input or output stand for; a scale of 0 says that they are plain."""
    scale, zero_point = detail["quantization"]
    is_integer = np.dtype(detail["dtype"]).kind in "iu"
    return Quantization(float(scale), int(zero_point)) if is_integer and scale else None
