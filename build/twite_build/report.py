"""The report in a bundle: what went in, what was measured and what came out, as data."""

import json
from pathlib import Path
from typing import NamedTuple

from twite.bundle import load
from twite.errors import BundleError
from twite.fields import from_table, to_table
from twite.manifest import (
    EngineVersion,
    Manifest,
    Postprocessing,
    Preprocessing,
    Provenance,
)
from twite.tensors import TensorSpec
from twite_build.quantization.layers import LayerError
from twite_build.reporting.worst import WorstSample
from twite_build.verification.reference import Reference
from twite_build.verification.verify import Verdict

REPORT = "report.json"


class CandidateReport(NamedTuple):
    """A verdict; what could not be measured is None."""

    quantization: str
    passed: bool
    reason: str | None = None
    size_bytes: int | None = None
    agreement: float | None = None
    metric: float | None = None
    latency_ms: float | None = None
    p99_ms: float | None = None
    rss_bytes: int | None = None


class DataReport(NamedTuple):
    """A set of samples; the hash is of the decoded values, however they were stored."""

    role: str
    file: str
    samples: int
    sha256: str


class FileReport(NamedTuple):
    name: str
    sha256: str
    size_bytes: int


class SignatureReport(NamedTuple):
    """A signature beside the main one; agreement is the R² of the bundle's model."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    agreement: float


class Evidence(NamedTuple):
    """What the report shows beside the verdicts; recipe is its text, for a build like this one."""

    recipe: str = ""
    data: tuple[DataReport, ...] = ()
    files: tuple[FileReport, ...] = ()
    worst: tuple[WorstSample, ...] = ()


class Report(NamedTuple):
    name: str
    version: str
    description: str
    quantization: str
    task: str
    samples: int
    agreement_name: str
    metric_name: str | None
    metric_source: float | None
    gate: str
    candidates: tuple[CandidateReport, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    postprocessing: Postprocessing
    engines: tuple[EngineVersion, ...]
    provenance: Provenance
    layers: tuple[LayerError, ...] = ()
    evidence: Evidence = Evidence()
    signatures: tuple[SignatureReport, ...] | None = None

    @property
    def chosen(self) -> CandidateReport | None:
        """The candidate in the bundle; of one recipe several may have been tried."""
        found = (c for c in self.candidates if c.quantization == self.quantization and c.passed)
        return next(found, None)


def make_report(
    manifest: Manifest,
    reference: Reference,
    verdicts: tuple[Verdict, ...],
    evidence: Evidence,
) -> Report:
    task = reference.task
    return Report(
        name=manifest.name,
        version=manifest.version,
        description=manifest.description,
        quantization=manifest.quantization,
        task=task.how.kind,
        samples=len(next(iter(reference.outputs.values()))),
        agreement_name=task.agreement_name,
        metric_name=task.metric_name,
        metric_source=reference.metric,
        gate=reference.gate.spell(task),
        candidates=tuple(_candidate(verdict) for verdict in verdicts),
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        preprocessing=manifest.preprocessing,
        postprocessing=manifest.postprocessing,
        engines=manifest.engines,
        provenance=manifest.provenance,
        layers=_layers(manifest.quantization, verdicts),
        evidence=evidence,
    )


def to_json(report: Report) -> bytes:
    """Everything but the pictures, which are in the page."""
    table = to_table(report)
    for sample in table["evidence"]["worst"]:
        sample.pop("picture", None)
    return (json.dumps(table, indent=2, ensure_ascii=False) + "\n").encode()


def read_report(bundle: Path) -> Report:
    """The report of a bundle whose files are all what its manifest says; raises BundleError."""
    file = load(bundle).path / REPORT
    try:
        table = json.loads(file.read_bytes())
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file} is not JSON: {error}; build the bundle again") from error
    if isinstance(table, dict):
        # A task without a metric leaves both out.
        table = {"metric_name": None, "metric_source": None, **table}
    return from_table(Report, table, str(file), BundleError)


def _layers(quantization: str, verdicts: tuple[Verdict, ...]) -> tuple[LayerError, ...]:
    for verdict in verdicts:
        if verdict.quantization == quantization and verdict.passed:
            return verdict.layers
    return ()


def _candidate(verdict: Verdict) -> CandidateReport:
    return CandidateReport(
        verdict.quantization,
        verdict.passed,
        verdict.reason,
        verdict.size_bytes,
        verdict.agreement,
        verdict.metric,
        verdict.latency_ms,
        verdict.p99_ms,
        verdict.rss_bytes,
    )
