"""The report in a bundle: the measurements as report.json and as one page."""

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple

from twite.fields import to_table
from twite.manifest import (
    EngineVersion,
    Manifest,
    Postprocessing,
    Preprocessing,
    Provenance,
)
from twite.tensors import TensorSpec
from twite_build.verification.reference import Reference
from twite_build.verification.verify import Verdict


class CandidateReport(NamedTuple):
    """A verdict without its latency, which is another one in every run."""

    quantization: str
    passed: bool
    reason: str | None
    size_bytes: int | None
    agreement: float | None
    metric: float | None


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


def make_report(manifest: Manifest, reference: Reference, verdicts: tuple[Verdict, ...]) -> Report:
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
    )


def to_json(report: Report) -> bytes:
    return (json.dumps(to_table(report), indent=2, ensure_ascii=False) + "\n").encode()


def to_html(report: Report) -> bytes:
    """One page without scripts and without anything from elsewhere."""
    template = Template(files(__package__ or "twite_build").joinpath("report.html").read_text())
    page = template.substitute(
        title=escape(f"{report.name} {report.version}"),
        description=escape(report.description),
        summary=escape(_summary(report)),
        gate=escape(report.gate),
        candidates="\n".join(_candidate_row(report, c) for c in report.candidates),
        agreement_name=escape(report.agreement_name),
        metric_name=escape(report.metric_name or "metric"),
        source=f"<td></td><td></td><td>{_number(report.metric_source)}</td><td></td>",
        tensors="\n".join(_tensor_rows(report)),
        stages="\n".join(_table_rows(_stages(report))),
        provenance="\n".join(_table_rows(_origin(report))),
    )
    return page.encode()


def _candidate(verdict: Verdict) -> CandidateReport:
    return CandidateReport(
        verdict.quantization,
        verdict.passed,
        verdict.reason,
        verdict.size_bytes,
        verdict.agreement,
        verdict.metric,
    )


def _summary(report: Report) -> str:
    engines = ", ".join(f"{e.name} {e.version} on {e.machine}" for e in report.engines)
    return f"{report.quantization}, verified on {report.samples:,} samples with {engines}"


def _candidate_row(report: Report, candidate: CandidateReport) -> str:
    chosen = ' class="chosen"' if candidate.quantization == report.quantization else ""
    verdict = "passed" if candidate.passed else f"refused: {candidate.reason}"
    if chosen:
        verdict = "in this bundle"
    mark = "good" if candidate.passed else "bad"
    size = f"{candidate.size_bytes:,}" if candidate.size_bytes else ""
    return (
        f"<tr{chosen}><th>{escape(candidate.quantization)}</th><td>{size}</td>"
        f"<td>{_number(candidate.agreement)}</td><td>{_number(candidate.metric)}</td>"
        f'<td class="{mark}">{escape(verdict)}</td></tr>'
    )


def _tensor_rows(report: Report) -> list[str]:
    pairs = [("input", spec) for spec in report.inputs]
    pairs += [("output", spec) for spec in report.outputs]
    return [
        f"<tr><th>{kind}</th><td>{escape(spec.name)}</td><td>{escape(str(spec))}</td></tr>"
        for kind, spec in pairs
    ]


def _stages(report: Report) -> list[tuple[str, object]]:
    stages = (("preprocess", report.preprocessing), ("postprocess", report.postprocessing))
    return [
        (f"{stage} {key}", value) for stage, how in stages for key, value in to_table(how).items()
    ]


def _origin(report: Report) -> list[tuple[str, object]]:
    origin = report.provenance
    rows: list[tuple[str, object]] = [
        ("source", origin.source),
        ("source SHA-256", origin.source_sha256),
        ("recipe SHA-256", origin.recipe_sha256),
    ]
    return rows + list(origin.tools.items())


def _table_rows(rows: list[tuple[str, object]]) -> list[str]:
    return [
        f"<tr><th>{escape(key)}</th><td>{escape(_text(value))}</td></tr>" for key, value in rows
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
