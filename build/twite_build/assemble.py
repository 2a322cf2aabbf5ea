"""The bundle's parts: its manifest and the bytes of every file, the same for the same build.

Nothing here depends on the time, the place or the speed of the machine.
"""

import hashlib
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import twite
import twite_build
from twite.bundle import npy
from twite.frames import Scene
from twite.manifest import (
    SCHEMA_VERSION,
    BoxPostprocessing,
    EngineVersion,
    Golden,
    Manifest,
    Preprocessing,
    Provenance,
    Scalar,
)
from twite.quantized import quantize
from twite.tensors import Tensors
from twite_build.conversion import Conversion
from twite_build.recipe import LABELS, RecipeFile
from twite_build.report import Report, to_json
from twite_build.reporting.page import to_html
from twite_build.search import Winner
from twite_build.sources import Origin
from twite_build.verification.reference import Reference
from twite_build.verification.verify import Verdict, tolerance

MODEL = "model.tflite"


def provenance(
    file: RecipeFile, origin: Origin, source: Conversion, read: Mapping[str, Path]
) -> Provenance:
    """read are the files beside the source, by the recipe's names for them."""
    own = {
        "twite": twite.__version__,
        "twite-build": twite_build.__version__,
        "litert-quantizer": version("litert-quantizer"),
        "numpy": version("numpy"),
    }
    files = {_named(name): _sha256(path) for name, path in read.items() if path.is_file()}
    trust = " --trust-pickle" if origin.kind == "sklearn" else ""
    return Provenance(
        source=_named(file.recipe.source.file),
        source_sha256=origin.sha256,
        recipe_sha256=file.sha256,
        tools={**own, **source.tools},
        kind=origin.kind,
        command=f"twite build {file.path.name}{trust}",
        files={**files, **source.files},
        notes=source.notes,
    )


def _named(name: str) -> str:
    """Only what the recipe says: an absolute path is about one machine."""
    return Path(name).name if Path(name).is_absolute() else Path(name).as_posix()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest(
    file: RecipeFile,
    winner: Winner,
    golden: Tensors,
    reference: Reference,
    origin: Provenance,
) -> Manifest:
    """golden are decoded inputs, one row a golden sample."""
    recipe, answers = file.recipe, winner.answers
    return Manifest(
        format="twite-bundle",
        schema_version=SCHEMA_VERSION,
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        quantization=winner.verdict.quantization,
        inputs=answers.inputs,
        outputs=answers.outputs,
        preprocessing=recipe.preprocess,
        postprocessing=recipe.postprocess,
        files={},
        golden=_golden(winner, golden),
        engines=(EngineVersion(answers.engine, answers.engine_version, platform.machine()),),
        provenance=origin,
        measurements=_measurements(winner.verdict, reference),
    )


def contents(
    winner: Winner, golden: Tensors, labels: tuple[str, ...], report: Report
) -> dict[str, bytes]:
    """Every file but the manifest."""
    answers = winner.answers
    files = {MODEL: winner.model.read_bytes()}
    if labels:
        files[LABELS] = "".join(f"{label}\n" for label in labels).encode()
    files |= {golden_file("in", name): npy(array) for name, array in golden.items()}
    files |= {golden_file("out", name): npy(array) for name, array in answers.golden.items()}
    return files | {"report.json": to_json(report), "report.html": to_html(report)}


def anchors(file: RecipeFile, scene: Scene | None) -> dict[str, bytes]:
    """The file that a detector's postprocessing names."""
    how = file.recipe.postprocess
    if scene is None or not isinstance(how, BoxPostprocessing):
        return {}
    return {how.anchors: npy(scene.anchors)}


def as_sent(golden: Tensors, how: Preprocessing, winner: Winner) -> Tensors:
    """Golden inputs as a request brings them: raw tensors are what the model itself takes."""
    return quantize(golden, winner.answers.inputs) if how.kind == "tensors" else golden


def _golden(winner: Winner, golden: Tensors) -> Golden:
    answers, quantization = winner.answers, winner.verdict.quantization
    return Golden(
        count=len(next(iter(golden.values()))),
        inputs={name: golden_file("in", name) for name in sorted(golden)},
        outputs={name: golden_file("out", name) for name in sorted(answers.golden)},
        tolerance=tolerance(quantization, answers.evaluation),
    )


def golden_file(kind: str, name: str, folder: str = "golden") -> str:
    """Named after its tensor; by a hash where that holds what a file's name must not."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", name):
        name = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{folder}/{kind}.{name}.npy"


def _measurements(verdict: Verdict, reference: Reference) -> dict[str, Scalar]:
    task = reference.task
    found: dict[str, Scalar | None] = {
        "samples": len(next(iter(reference.outputs.values()))),
        "size_bytes": verdict.size_bytes,
        "agreement_name": task.agreement_name,
        "agreement": _rounded(verdict.agreement),
        "metric": task.metric_name,
        "metric_source": _rounded(reference.metric),
        "metric_candidate": _rounded(verdict.metric),
    }
    return {name: value for name, value in found.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
