"""What is inside a bundle or a `.tflite` file, read in a child process.

An interpreter can crash on a hostile or damaged model, so nothing of one is loaded here.
"""

from pathlib import Path
from typing import Any

from twite.bundle import read_manifest
from twite.child import run_in_child
from twite.engine import Engine
from twite.errors import BundleError
from twite.fields import to_table
from twite.tensors import TensorSpec

LIMIT_S = 60.0


def inspect(path: Path) -> dict[str, Any]:
    """The manifest (None for a `.tflite`), and the model as the engine sees it.

    Raises BundleError when path is neither, ChildFailed when the engine crashes on the model.
    """
    if path.suffix == ".tflite":
        if not path.is_file():
            raise BundleError(f"{path} is not there; name a bundle or a .tflite file")
        return {"manifest": None, "model": _inspect_apart(path)}
    manifest = read_manifest(path)
    model = path / manifest.model
    if not model.is_file():
        raise BundleError(f"{model} is missing; copy or build the bundle again")
    return {"manifest": to_table(manifest), "model": _inspect_apart(model)}


def _inspect_apart(model: Path) -> dict[str, Any]:
    request = {"model": str(model.absolute())}
    return run_in_child("twite.inspection:inspect_model", request, timeout_s=LIMIT_S)


def inspect_model(request: dict[str, str]) -> dict[str, object]:
    """The child's part: load the model and describe it."""
    path = Path(request["model"])
    engine = Engine(path, threads=1)
    return {
        "size_bytes": path.stat().st_size,
        "engine": engine.name,
        "engine_version": engine.version,
        "xnnpack": engine.xnnpack,
        "inputs": [_describe(spec) for spec in engine.inputs],
        "outputs": [_describe(spec) for spec in engine.outputs],
        "operators": engine.operators(),
    }


def _describe(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}
