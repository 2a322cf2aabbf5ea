"""An accelerator in this process: a delegate in the interpreter, or LiteRT's WebGPU.

Only children import this. Each backend has run(tensors) → tensors, with the names, dtypes and
shapes of the plan, and claimed, the number of graph parts that it took over.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from twite.engine import Interpreter, load_delegate, signature_names
from twite.errors import AcceleratorError
from twite.signature_interpreter import at_signature
from twite.tensors import Tensors

Told = Callable[[str], None]


def open_backend(plan: Mapping[str, Any], told: Told) -> "Delegate | WebGpu":
    """Load what the plan names; told hears of every step before it is made.

    Raises AcceleratorError with the library's own reason, where it gives one.
    """
    make = WebGpu if plan["kind"] == "webgpu" else Delegate
    try:
        return make(plan, told)
    except (ValueError, RuntimeError, OSError, AttributeError) as error:
        raise AcceleratorError(_first_lines(error)) from error


class Delegate:
    """A TFLite interpreter with an external delegate."""

    def __init__(self, plan: Mapping[str, Any], told: Told) -> None:
        told("create")
        self._delegate = load_delegate(plan["library"], plan["options"])
        told("prepare")
        self._interpreter = Interpreter(
            model_path=plan["model"],
            num_threads=plan["threads"],
            experimental_delegates=[self._delegate],
        )
        # XNNPACK is added by allocate_tensors: until then every DELEGATE is this library's.
        operators = [op["op_name"] for op in self._interpreter._get_ops_details()]
        self.claimed = operators.count("DELEGATE")
        if plan["operator"]:
            self.claimed += operators.count(plan["operator"])
        self._interpreter.allocate_tensors()
        inputs, outputs = self._names(plan.get("signature"))
        self._inputs = _indices(self._interpreter.get_input_details(), inputs, plan["inputs"])
        self._outputs = _indices(self._interpreter.get_output_details(), outputs, plan["outputs"])

    def _names(self, signature: str | None) -> tuple[dict[int, str], dict[int, str]]:
        """A compiled model may have lost its signatures, and then has only the one graph."""
        interpreter = self._interpreter
        has_it = signature in interpreter._get_full_signature_list()
        if signature and has_it and at_signature(interpreter, signature) is not interpreter:
            raise AcceleratorError(f"'{signature}' is not the first signature of the model's file")
        return signature_names(interpreter, signature)

    def run(self, tensors: Tensors) -> Tensors:
        interpreter = self._interpreter
        try:
            for name, index in self._inputs.items():
                interpreter.set_tensor(index, tensors[name])
            interpreter.invoke()
            return {name: interpreter.get_tensor(index) for name, index in self._outputs.items()}
        except (ValueError, RuntimeError) as error:
            raise AcceleratorError(_first_lines(error)) from error


class WebGpu:
    """LiteRT's CompiledModel on a GPU."""

    claimed = 1

    def __init__(self, plan: Mapping[str, Any], told: Told) -> None:
        told("create")
        try:
            from ai_edge_litert.compiled_model import CompiledModel
            from ai_edge_litert.hardware_accelerator import HardwareAccelerator
            from ai_edge_litert.options import GpuOptions, Options
        except ImportError as error:
            reason = f"WebGPU needs ai-edge-litert whole, as it is in edge-gpu: {error}"
            raise AcceleratorError(reason) from error
        told("prepare")
        precise = plan["options"].get("precision") == "fp32"

        def compile_for(hardware: HardwareAccelerator) -> CompiledModel:
            options = Options(
                hardware_accelerators=hardware, gpu_options=GpuOptions(enforce_f32=precise)
            )
            return CompiledModel.from_file(plan["model"], options=options)

        try:
            self._model = compile_for(HardwareAccelerator.GPU)
        except RuntimeError as error:
            # With the CPU from the start, a machine without a GPU would pass for one with it.
            if "not accelerated" not in str(error):
                raise
            self._model = compile_for(HardwareAccelerator.GPU | HardwareAccelerator.CPU)
        self._bind(plan["inputs"], plan["outputs"], plan.get("signature"))

    def _bind(self, inputs: list[str], outputs: list[str], signature: str | None) -> None:
        """One buffer a tensor, in the model's own names and in the bundle's."""
        model = self._model
        signatures = model.get_signature_list()
        self._key = signature if signature in signatures else next(iter(signatures))
        own = signatures[self._key]
        self._input_map = {
            name: model.create_input_buffer_by_name(self._key, name) for name in own["inputs"]
        }
        self._output_map = {
            name: model.create_output_buffer_by_name(self._key, name) for name in own["outputs"]
        }
        self._inputs = {
            _match(name, own["inputs"], inputs): buffer for name, buffer in self._input_map.items()
        }
        details = model.get_output_tensor_details(self._key)
        self._outputs = [
            (
                _match(name, own["outputs"], outputs),
                buffer,
                tuple(details[name]["shape"]),
                np.dtype(details[name]["dtype"]),
            )
            for name, buffer in self._output_map.items()
        ]

    def run(self, tensors: Tensors) -> Tensors:
        try:
            for name, buffer in self._inputs.items():
                buffer.write(tensors[name])
            self._model.run_by_name(self._key, self._input_map, self._output_map)
            return {
                name: buffer.read(int(np.prod(shape)), dtype).reshape(shape)
                for name, buffer, shape, dtype in self._outputs
            }
        except (ValueError, RuntimeError) as error:
            raise AcceleratorError(_first_lines(error)) from error


def _indices(
    details: list[dict[str, Any]], names: dict[int, str], wanted: list[str]
) -> dict[str, int]:
    """The bundle's name of each tensor to its index in this model."""
    found = {names.get(int(d["index"]), str(d["name"])): int(d["index"]) for d in details}
    return {_match(name, list(found), wanted): index for name, index in found.items()}


def _match(name: str, found: list[str], wanted: list[str]) -> str:
    """The bundle's name for a tensor of a model that may have lost its signature.

    Compilers keep the names or the only tensor; two renamed ones cannot be told apart.
    """
    if name in wanted:
        return name
    if len(found) == len(wanted) == 1:
        return wanted[0]
    raise AcceleratorError(f"its tensors are {', '.join(found)}; the bundle's {', '.join(wanted)}")


def _first_lines(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
