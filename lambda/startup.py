"""INIT: the bundle loaded, its golden samples replayed, or one clear line why not."""

import gc
import os
from pathlib import Path
from time import perf_counter

BEGIN = perf_counter()
# Imports make no garbage: the collector rests until what was loaded is frozen.
gc.disable()

import numpy  # noqa: F401

NUMPY = perf_counter()

import twite.engine  # noqa: F401
from twite.errors import TwiteError, UnsupportedTarget, UsageError
from twite.settings import Settings, read_settings

ENGINE = perf_counter()

from function import Function
from inference import Inference
from telemetry import Telemetry, write
from twite import signatures
from twite.bounds import Bounds
from twite.bundle import load
from twite.model import Model

MB_PER_CORE = 1769
"""Lambda gives one core for this much memory, whatever number of cores it shows."""

SMALL_BYTES = 256 * 1024


def start() -> Function:
    """The function, ready; raises awslambdaric's FaultException, which ends INIT with its type."""
    try:
        return _start(read_settings())
    except (TwiteError, OSError) as error:
        raise _fault(error) from None


def _start(settings: Settings) -> Function:
    app = perf_counter()
    path = _bundle_path(settings)
    bundle = load(path)
    threads = settings.threads or _threads(bundle.model_path.stat().st_size)
    bounds = Bounds(settings.max_batch, settings.max_json_depth, settings.max_json_numbers)
    model = Model(bundle, threads, bounds)
    loaded = perf_counter()
    for warning in _check(model):
        write("WARNING", warning)
    model.replay()
    further = {
        each.name: Model(bundle.view(each.name), threads, bounds)
        for each in signatures.further(bundle.manifest)
    }
    for other in further.values():
        other.replay()
    golden = perf_counter()
    steps = {"numpy": NUMPY - BEGIN, "engine": ENGINE - NUMPY, "app": app - ENGINE}
    steps |= {"load": loaded - app, "golden": golden - loaded}
    telemetry = Telemetry(model, settings.model_name)
    telemetry.loaded(steps)
    function = Function(Inference(model, golden - app, further), telemetry, settings)
    _hook_snapshot(function)
    gc.freeze()
    gc.enable()
    return function


def _bundle_path(settings: Settings) -> Path:
    """MODEL_PATH, or the folder `bundle` beside this file, where the zip has it."""
    if settings.model_path:
        return Path(settings.model_path)
    beside = Path(__file__).parent / "bundle"
    if not beside.is_dir():
        raise UsageError(
            "MODEL_PATH is not set and there is no bundle in the function: set MODEL_PATH to the "
            "folder that `twite build` wrote, as in MODEL_PATH=/opt/bundle"
        )
    return beside


def _threads(model_bytes: int) -> int:
    """The cores that the function's memory pays for, at most those that it may use.

    A model of few bytes takes longer to be shared out than to be computed.
    """
    cores = len(os.sched_getaffinity(0)) if model_bytes > SMALL_BYTES else 1
    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return max(1, min(cores, round(int(memory) / MB_PER_CORE))) if memory.isdigit() else cores


def _check(model: Model) -> list[str]:
    """What is different here; raises UnsupportedTarget where XNNPACK should work and does not.

    On arm64, Lambda has no /sys/devices/system/cpu/possible; an image that does not bring it runs
    many times slower, without a word. TWITE_XNNPACK=optional is for models that it cannot take.
    """
    if not model.engine.xnnpack and os.environ.get("TWITE_XNNPACK") != "optional":
        raise UnsupportedTarget(
            "XNNPACK took no operator of this model, so it would run many times slower than it "
            "was measured; on arm64 the image must have /sys/devices/system/cpu/possible and "
            "present; set TWITE_XNNPACK=optional to serve it all the same"
        )
    return model.warnings()


def _hook_snapshot(function: Function) -> None:
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        from snapshot import register

        register(function)


def _fault(error: Exception) -> Exception:
    """awslambdaric prints this in one line and tells Lambda the type; others bring a trace."""
    from awslambdaric.lambda_runtime_exception import FaultException

    message = str(error)
    write("ERROR", f"INIT failed: {message}")
    fault: Exception = FaultException(f"Runtime.{type(error).__name__}", message, [])
    return fault
