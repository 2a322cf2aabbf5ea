"""What the page must know of a model: its input, its answer, and what is said beside it."""

import json
from collections.abc import Sequence
from math import prod
from urllib.parse import quote

from twite.manifest import (
    FeaturePreprocessing,
    ImagePreprocessing,
    Manifest,
    TextPreprocessing,
)
from twite.model import Model
from twite.repository import Served
from twite.server.report import REPORT

DRAWN = 64
"""Grey pictures of up to so many pixels a side are drawn by hand."""
MOST_FIELDS = 64
MOST_NUMBERS = 4096
"""An example of more numbers is not shown."""


def describe(served: Served, models: Sequence[Served]) -> dict[str, object]:
    """JSON for the script; paths are relative, so that the server may stand behind a prefix."""
    manifest, name = served.model.manifest, quote(served.name, safe="")
    report = f"v2/models/{name}/versions/{quote(served.version, safe='')}/report"
    return {
        "name": served.name,
        "version": served.version,
        "description": manifest.description,
        "path": "predict" if len(models) == 1 else f"predict/{name}",
        "report": report if REPORT in manifest.files else None,
        "input": _input(served.model),
        "answer": manifest.postprocessing.kind,
        "top": getattr(manifest.postprocessing, "top_k", None),
        "facts": _facts(served.model, served.version),
    }


def _input(model: Model) -> dict[str, object]:
    manifest = model.manifest
    how, is_single = manifest.preprocessing, len(manifest.inputs) == 1
    if is_single and isinstance(how, ImagePreprocessing):
        is_drawn = how.channels == 1 and max(how.width, how.height) <= DRAWN
        kind = "draw" if is_drawn else "picture"
        return {"kind": kind, "width": how.width, "height": how.height}
    if is_single and isinstance(how, TextPreprocessing):
        return {"kind": "text"}
    if is_single and isinstance(how, FeaturePreprocessing) and _is_row(manifest):
        row = model.bundle.golden_inputs()[how.input][0].tolist()
        columns = how.columns or tuple(f"feature {i}" for i in range(len(row)))
        return {
            "kind": "features",
            "columns": columns,
            "named": bool(how.columns),
            "example": [float(f"{number:.6g}") for number in row],
        }
    return {"kind": "tensors", "example": _example(model)}


def _is_row(manifest: Manifest) -> bool:
    shape = manifest.inputs[0].shape
    return len(shape) == 2 and 0 < shape[1] <= MOST_FIELDS


def _example(model: Model) -> str:
    """The first golden sample as a request, where it is short enough to be looked at."""
    specs = model.manifest.inputs
    if sum(prod(spec.shape[1:]) for spec in specs) > MOST_NUMBERS:
        return json.dumps({"inputs": {spec.name: [] for spec in specs}})
    rows = {name: array[:1].tolist() for name, array in model.bundle.golden_inputs().items()}
    return json.dumps({"inputs": rows})


def _facts(model: Model, version: str) -> dict[str, str]:
    engine, manifest = model.engine, model.manifest
    size = manifest.files[manifest.model].size_bytes
    return {
        "Model": f"version {version}, {manifest.quantization}, {size:,} bytes",
        "Engine": f"{engine.name} {engine.version}",
        "Accelerator": "CPU with XNNPACK" if engine.xnnpack else "CPU",
    }
