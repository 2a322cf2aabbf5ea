"""What is inside a bundle or a `.tflite` file, read in a child process.

An interpreter can crash on a hostile or damaged model, so nothing of one is loaded here.
"""

from pathlib import Path
from typing import Any

from twite.bundle import read_manifest
from twite.child import run_in_child
from twite.engine import Engine, signatures
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
        return {"manifest": None, "model": _inspect_apart(path, None)}
    manifest = read_manifest(path)
    model = path / manifest.model
    if not model.is_file():
        raise BundleError(f"{model} is missing; copy or build the bundle again")
    signature = manifest.signatures.main if manifest.signatures else None
    return {"manifest": to_table(manifest), "model": _inspect_apart(model, signature)}


def _inspect_apart(model: Path, signature: str | None) -> dict[str, Any]:
    request = {"model": str(model.absolute()), "signature": signature}
    return run_in_child("twite.inspection:inspect_model", request, timeout_s=LIMIT_S)


def inspect_model(request: dict[str, Any]) -> dict[str, object]:
    """The child's part: load the model, describe it and its signatures where it has several."""
    path = Path(request["model"])
    engine = Engine(path, threads=1, signature=request["signature"])
    names = signatures(path)
    found: dict[str, object] = {} if len(names) < 2 else {"signatures": _signatures(path, names)}
    return {
        "size_bytes": path.stat().st_size,
        "engine": engine.name,
        "engine_version": engine.version,
        "xnnpack": engine.xnnpack,
        "inputs": [_describe(spec) for spec in engine.inputs],
        "outputs": [_describe(spec) for spec in engine.outputs],
        "operators": engine.operators(),
        **found,
    }


def _signatures(path: Path, names: tuple[str, ...]) -> list[dict[str, object]]:
    engines = {name: Engine(path, threads=1, signature=name) for name in names}
    return [
        {
            "name": name,
            "inputs": [_describe(spec) for spec in engine.inputs],
            "outputs": [_describe(spec) for spec in engine.outputs],
        }
        for name, engine in engines.items()
    ]


def _describe(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}
