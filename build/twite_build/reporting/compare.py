"""Two reports side by side: what the chosen models measure, and what was different on the way."""

from typing import NamedTuple

from twite.fields import to_table
from twite_build.report import CandidateReport, Report
from twite_build.reporting.terminal import aligned, printable

UNLIKE = " | "
"""Between the names of two tasks' measures, which cannot be compared."""
WIDEST = 48


class Difference(NamedTuple):
    """A line of the comparison; change is b relative to a, None where they are no numbers."""

    name: str
    a: str
    b: str
    change: float | None = None


def compare(a: Report, b: Report) -> tuple[Difference, ...]:
    """The chosen candidates' numbers, then only what differs of everything else."""
    first, second = (report.chosen or CandidateReport("", False) for report in (a, b))
    found = [Difference("bundle", f"{a.name} {a.version}", f"{b.name} {b.version}")]
    found.append(Difference("quantization", a.quantization, b.quantization))
    found += [
        _numbers("bytes", first.size_bytes, second.size_bytes, "{:,}"),
        _numbers(_name(a.agreement_name, b.agreement_name), first.agreement, second.agreement),
        _numbers(_name(a.metric_name, b.metric_name), first.metric, second.metric),
        _numbers("ms", first.latency_ms, second.latency_ms, "{:.3g}"),
        _numbers("p99 ms", first.p99_ms, second.p99_ms, "{:.3g}"),
        _numbers("source's metric", a.metric_source, b.metric_source),
        _numbers("samples", a.samples, b.samples, "{:,}"),
    ]
    told, other = _facts(a), _facts(b)
    names = [*told, *(name for name in other if name not in told)]
    found += [
        Difference(name, told.get(name, ""), other.get(name, ""))
        for name in names
        if told.get(name) != other.get(name)
    ]
    return tuple(row for row in found if row.a or row.b)


def comparison_lines(differences: tuple[Difference, ...]) -> list[str]:
    rows = [["", "A", "B", ""]]
    for row in differences:
        change = "" if not row.change else f"{row.change:+.1%}"
        rows.append([row.name, _cut(row.a), _cut(row.b), change])
    return [printable(line) for line in aligned(rows)]


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _name(a: str | None, b: str | None) -> str:
    return a or b or "metric" if a == b or not (a and b) else f"{a}{UNLIKE}{b}"


def _numbers(name: str, a: float | None, b: float | None, how: str = "{:.4f}") -> Difference:
    first, second = ("" if value is None else how.format(value) for value in (a, b))
    change = (b - a) / abs(a) if a and b is not None and UNLIKE not in name else None
    return Difference(name, first, second, change)


def _facts(report: Report) -> dict[str, str]:
    """Everything that two builds can differ in, as text by name."""
    origin, found = report.provenance, {"description": report.description, "gate": report.gate}
    found |= {
        "task": report.task,
        "source": origin.source,
        "source SHA-256": origin.source_sha256[:16],
        "recipe SHA-256": origin.recipe_sha256[:16],
    }
    found |= {f"input {spec.name}": str(spec) for spec in report.inputs}
    found |= {f"output {spec.name}": str(spec) for spec in report.outputs}
    stages = (("preprocess", report.preprocessing), ("postprocess", report.postprocessing))
    for stage, how in stages:
        found |= {f"{stage} {key}": str(value) for key, value in to_table(how).items()}
    found |= {f"{data.role} SHA-256": data.sha256[:16] for data in report.evidence.data}
    found |= {f"{file.name} SHA-256": file.sha256[:16] for file in report.evidence.files}
    found |= {"engines": ", ".join(f"{e.name} {e.version} {e.machine}" for e in report.engines)}
    return found | dict(origin.tools)
