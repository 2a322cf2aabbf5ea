"""Quantization: a float32 .tflite to smaller or faster ones; the work runs in child processes.

Recipes that need the same imports share a child. When one of them crashes or hangs it, the others
are made again alone, so that a fault is charged to the recipe that has it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from twite.child import run_in_child
from twite.errors import ChildFailed
from twite_build.errors import ConversionFailed
from twite_build.parallel import OnStart, in_parallel
from twite_build.quantization.calibrate import calibrate
from twite_build.quantization.layers import LayerError, Layers, layer_errors, layer_names
from twite_build.quantization.rules import rules
from twite_build.recipe import Quantization, Quantize
from twite_build.scratch import load_tensors, save_model

CHILD = "twite_build.quantization.quantize:quantize_in_child"


class Quantized(NamedTuple):
    """A quantized model, or the reason why there is none.

    layers are the errors of a static one, steps what to leave float of it when it fails the gate.
    """

    how: Quantization
    model: Path
    failure: str | None = None
    layers: tuple[LayerError, ...] = ()
    steps: tuple[tuple[str, ...], ...] = ()


class Task(NamedTuple):
    """The float model, preprocessed calibration samples, and the folder for what is made.

    signature names the main one of several; further are the samples of the others.
    """

    model: Path
    samples: Path
    folder: Path
    fixed_batch: bool
    wanted: Quantize
    signature: str | None = None
    further: Mapping[str, Path] = {}


def quantize(task: Task, hows: Sequence[Quantization], on_start: OnStart) -> list[Quantized]:
    """One or several recipes in one child; a crash of several is tried again one by one."""
    try:
        return _in_child(task, hows, on_start)
    except (ChildFailed, ConversionFailed) as error:
        if len(hows) == 1:
            return [Quantized(hows[0], task.folder / "none", _first_line(error, task))]
    return [made for how in hows for made in quantize(task, [how], on_start)]


def quantizing(task: Task) -> list[Callable[[OnStart], list[Quantized]]]:
    """Every wanted recipe but fp32, as the work of two children: calibration takes longest."""
    hows = [how for how in task.wanted.recipes if how != "fp32"]
    static = [how for how in hows if how == "int8-static"]
    shares = [share for share in (static, [how for how in hows if how not in static]) if share]
    return [partial(quantize, task, share) for share in shares]


def relax(task: Task, steps: Sequence[tuple[str, ...]]) -> list[Path]:
    """Static int8 with the layers of each step left float, up to a step that the quantizer refuses.

    A crash makes it none: static int8 has failed already.
    """
    request = _request(task, ["int8-static"]) | {"steps": [list(step) for step in steps]}
    try:
        told = in_parallel(
            lambda asked, on_start: run_in_child(
                CHILD, asked, timeout_s=task.wanted.timeout_s, on_start=on_start
            ),
            [request],
        )
    except (ChildFailed, ConversionFailed):
        return []
    return [Path(path) for path in told[0]["relaxed"]]


def _in_child(task: Task, hows: Sequence[Quantization], on_start: OnStart) -> list[Quantized]:
    told = run_in_child(
        CHILD, _request(task, hows), timeout_s=task.wanted.timeout_s, on_start=on_start
    )
    return [_quantized(task, how, told["made"][how]) for how in hows]


def _request(task: Task, hows: Sequence[Quantization]) -> dict[str, Any]:
    return {
        "model": str(task.model),
        "samples": str(task.samples),
        "folder": str(task.folder),
        "signature": task.signature,
        "further": {name: str(path) for name, path in task.further.items()},
        "fixed_batch": task.fixed_batch,
        "hows": list(hows),
        "io": task.wanted.io,
        "float_layers": list(task.wanted.float_layers),
        "float_operators": list(task.wanted.float_operators),
        "steps": [],
    }


def _quantized(task: Task, how: Quantization, told: Mapping[str, Any]) -> Quantized:
    return Quantized(
        how,
        task.folder / f"{how}.tflite",
        told.get("failure"),
        tuple(LayerError(name, error) for name, error in told.get("layers", [])),
        tuple(tuple(step) for step in told.get("steps", [])),
    )


def quantize_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's side: every recipe asked for, a refusal of one told beside the others."""
    _check_layers(request)
    if request["steps"]:
        return {"relaxed": _relax(request)}
    made: dict[str, Any] = {}
    for how in request["hows"]:
        try:
            made[how] = _make(request, how)
        except ConversionFailed as error:
            made[how] = {"failure": str(error)}
    return {"made": made}


def _make(request: Mapping[str, Any], how: str) -> dict[str, Any]:
    model = Path(request["model"])
    recipe = rules(
        how, request["io"], tuple(request["float_layers"]), tuple(request["float_operators"])
    )
    content = _quantize(request, recipe, _ranges(request, recipe) if how == "int8-static" else None)
    save_model(Path(request["folder"], f"{how}.tflite"), content)
    if how != "int8-static":
        return {}
    found = _layer_errors(model, content, request)
    return {
        "layers": [list(layer) for layer in found.errors],
        "steps": [list(step) for step in found.steps],
    }


def _relax(request: Mapping[str, Any]) -> list[str]:
    kept, operators = tuple(request["float_layers"]), tuple(request["float_operators"])
    ranges = _ranges(request, rules("int8-static", request["io"], kept, operators))
    paths = []
    for number, step in enumerate(request["steps"], start=1):
        left = (*kept, *step)
        try:
            content = _quantize(
                request, rules("int8-static", request["io"], left, operators), ranges
            )
        except ConversionFailed:
            break
        paths.append(str(Path(request["folder"], f"int8-mixed-{number}.tflite")))
        save_model(Path(paths[-1]), content)
    return paths


def _ranges(request: Mapping[str, Any], recipe: Any) -> Any:
    samples = load_tensors(Path(request["samples"]))
    try:
        return calibrate(
            Path(request["model"]),
            recipe,
            samples,
            fixed_batch=request["fixed_batch"],
            signature=request["signature"],
            further={name: load_tensors(Path(path)) for name, path in request["further"].items()},
        )
    except (ValueError, RuntimeError, NotImplementedError, KeyError) as error:
        raise _refusal("the calibration", error) from error


def _quantize(request: Mapping[str, Any], recipe: Any, ranges: Any) -> bytes:
    from litert_quantizer.quantizer import Quantizer

    try:
        quantizer = Quantizer(request["model"], recipe)
        result = quantizer.quantize(ranges, enable_progress_report=False)
    except (ValueError, RuntimeError, NotImplementedError, KeyError) as error:
        raise _refusal("litert-quantizer", error) from error
    except MemoryError as error:
        raise ConversionFailed("litert-quantizer ran out of memory") from error
    return bytes(result.quantized_model)


def _layer_errors(model: Path, content: bytes, request: Mapping[str, Any]) -> Layers:
    """None where the float kernels cannot run the model alone: the errors are only for people."""
    try:
        samples = load_tensors(Path(request["samples"]))
        return layer_errors(model, content, samples, request["signature"])
    except (ValueError, RuntimeError, KeyError, MemoryError):
        return Layers((), ())


def _check_layers(request: Mapping[str, Any]) -> None:
    from twite_build.errors import RecipeError

    known = layer_names(Path(request["model"]))
    for name in request["float_layers"]:
        if name not in known:
            raise RecipeError(
                f"[quantize] float_layers has '{name}', which the model has not; its layers are "
                f"{', '.join(known)}"
            )


def _refusal(who: str, error: Exception) -> ConversionFailed:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return ConversionFailed(f"{who} refused the model: {line}")


def _first_line(error: Exception, task: Task) -> str:
    """Without the working folder's name, which is another one in every build."""
    first = str(error).splitlines()[0].removesuffix("; its last output was:")
    return first.replace(f"{task.folder}/", "")
