"""The report as one page: no scripts, nothing from elsewhere, every text escaped."""

import json
from html import escape
from importlib.resources import files
from string import Template

from twite.fields import to_table
from twite_build.report import CandidateReport, Report, SignatureReport
from twite_build.reporting.plot import Point, scatter
from twite_build.reporting.worst import WorstSample

MOST_LAYERS = 40


def to_html(report: Report) -> bytes:
    template = Template(files(__package__).joinpath("page.html").read_text("utf-8"))
    sections = (
        _plots,
        _worst,
        _layers,
        _tensors,
        _signatures,
        _stages,
        _inputs,
        _outputs,
        _reproduce,
    )
    page = template.substitute(
        title=escape(f"{report.name} {report.version}"),
        description=escape(report.description),
        summary=escape(summary(report)),
        gate=escape(report.gate),
        heads=_heads(report),
        source=_cells(report, CandidateReport("source", True, metric=report.metric_source)),
        candidates="\n".join(_candidate_row(report, c) for c in report.candidates),
        sections="\n".join(section(report) for section in sections),
    )
    return page.encode()


def summary(report: Report) -> str:
    engines = ", ".join(f"{e.name} {e.version} on {e.machine}" for e in report.engines)
    return f"{report.quantization}, verified on {report.samples:,} samples with {engines}"


def columns(report: Report) -> list[str]:
    """The names of a candidate's numbers; what no candidate has is left out."""
    return [name for name, _ in _numbers(report, CandidateReport("", True))]


def cells(report: Report, candidate: CandidateReport) -> list[str]:
    """A candidate's numbers as text, one a column."""
    return [text for _, text in _numbers(report, candidate)]


def _numbers(report: Report, one: CandidateReport) -> list[tuple[str, str]]:
    mebibytes = None if one.rss_bytes is None else one.rss_bytes / 2**20
    found = [
        ("bytes", "size_bytes", "" if one.size_bytes is None else f"{one.size_bytes:,}"),
        (report.agreement_name, "agreement", _number(one.agreement)),
        (report.metric_name or "metric", "metric", _number(one.metric)),
        ("ms", "latency_ms", _short(one.latency_ms)),
        ("p99 ms", "p99_ms", _short(one.p99_ms)),
        ("RSS MiB", "rss_bytes", _short(mebibytes)),
    ]
    return [
        (name, text)
        for name, field, text in found
        if any(getattr(candidate, field) is not None for candidate in report.candidates)
    ]


def _heads(report: Report) -> str:
    return "".join(f"<th>{escape(name)}</th>" for name in columns(report))


def _cells(report: Report, candidate: CandidateReport) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in cells(report, candidate))


def _candidate_row(report: Report, candidate: CandidateReport) -> str:
    chosen = candidate is report.chosen
    verdict = "passed" if candidate.passed else f"refused: {candidate.reason}"
    mark = "good" if candidate.passed else "bad"
    mark_row = ' class="chosen"' if chosen else ""
    return (
        f"<tr{mark_row}><th>{escape(candidate.quantization)}</th>"
        f"{_cells(report, candidate)}"
        f'<td class="{mark}">{escape("in this bundle" if chosen else verdict)}</td></tr>'
    )


def _plots(report: Report) -> str:
    values = [
        (c, c.agreement if report.metric_name is None else c.metric) for c in report.candidates
    ]
    y_name = report.metric_name or report.agreement_name
    plots = []
    for x_name, field in (("milliseconds", "latency_ms"), ("bytes", "size_bytes")):
        points = [
            Point(c.quantization, x, y, c.passed, c is report.chosen)
            for c, y in values
            if y is not None and (x := getattr(c, field)) is not None
        ]
        plots.append(scatter(points, x_name, y_name, report.metric_source))
    if not any(plots):
        return ""
    note = "Filled is in this bundle; the dashed line is the source."
    return f'<div class="plots">{"".join(plots)}</div><p class="soft">{note}</p>'


def _worst(report: Report) -> str:
    samples = report.evidence.worst
    if not samples:
        return ""
    cards = "\n".join(_card(sample) for sample in samples)
    heading = "<h2>Farthest from the source</h2>"
    return f'{heading}<div class="cards">{cards}</div>'


def _card(sample: WorstSample) -> str:
    picture = ""
    if sample.picture:
        picture = f'<img src="{escape(sample.picture)}" alt="evaluation sample {sample.row}">'
    rows: list[tuple[str, object]] = [
        (f"sample {sample.row}", f"{sample.difference:.4g} apart"),
        ("source", sample.source),
        ("bundle", sample.answer),
    ]
    if sample.right is not None:
        rows.append(("right", sample.right))
    shown = f"<p>{escape(sample.shown)}</p>" if sample.shown else ""
    return f"<figure>{picture}{shown}<table>{_rows(rows)}</table></figure>"


def _layers(report: Report) -> str:
    if not report.layers:
        return ""
    worst = sorted(report.layers, key=lambda layer: -layer.error)[:MOST_LAYERS]
    largest = max(layer.error for layer in worst) or 1.0
    rows = "\n".join(
        f"<tr><th>{escape(layer.name)}</th><td>{layer.error:.4f}</td>"
        f'<td class="bar"><i style="width:{max(0.0, layer.error / largest):.0%}"></i></td></tr>'
        for layer in worst
    )
    more = len(report.layers) - len(worst)
    note = f'<p class="soft">{more} layers with less error are left out.</p>' if more else ""
    return f"<h2>Error by layer</h2>{_table(rows)}{note}"


def _tensors(report: Report) -> str:
    pairs = [("input", spec) for spec in report.inputs]
    pairs += [("output", spec) for spec in report.outputs]
    rows = "\n".join(
        f"<tr><th>{kind}</th><td>{escape(spec.name)}</td><td>{escape(str(spec))}</td></tr>"
        for kind, spec in pairs
    )
    return f"<h2>Tensors</h2>{_table(rows)}"


def _signatures(report: Report) -> str:
    if not report.signatures:
        return ""
    rows = "\n".join(
        f"<tr><th>{escape(each.name)}</th><td>{escape(spell_signature(each))}</td>"
        f"<td>R² {each.agreement:.4f}</td></tr>"
        for each in report.signatures
    )
    return f"<h2>Further signatures</h2>{_table(rows)}"


def spell_signature(signature: SignatureReport) -> str:
    sides = [signature.inputs, signature.outputs]
    taken, given = (", ".join(f"{spec.name} {spec}" for spec in side) for side in sides)
    return f"{taken} → {given}"


def _stages(report: Report) -> str:
    stages = (("preprocess", report.preprocessing), ("postprocess", report.postprocessing))
    rows: list[tuple[str, object]] = [
        (f"{stage} {key}", value) for stage, how in stages for key, value in to_table(how).items()
    ]
    return f"<h2>Stages</h2>{_table(_rows(rows))}"


def _inputs(report: Report) -> str:
    origin = report.provenance
    rows: list[tuple[str, object]] = [
        ("source", origin.source),
        ("source SHA-256", origin.source_sha256),
        ("recipe SHA-256", origin.recipe_sha256),
    ]
    for data in report.evidence.data:
        rows.append((data.role, f"{data.file}, {data.samples:,} samples"))
        rows.append((f"{data.role} SHA-256", data.sha256))
    rows += list(origin.tools.items())
    return f"<h2>What went in</h2>{_table(_rows(rows))}"


def _outputs(report: Report) -> str:
    if not report.evidence.files:
        return ""
    rows: list[tuple[str, object]] = []
    for file in report.evidence.files:
        rows.append((file.name, f"{file.size_bytes:,} bytes"))
        rows.append((f"{file.name} SHA-256", file.sha256))
    return f"<h2>What came out</h2>{_table(_rows(rows))}"


def _reproduce(report: Report) -> str:
    if not report.evidence.recipe:
        return ""
    return (
        f"<h2>Again</h2><p>{escape(reproduction(report))}</p>"
        f"<pre>{escape(report.evidence.recipe)}</pre>"
    )


def reproduction(report: Report) -> str:
    """One sentence on how to build the same model again."""
    tools = " ".join(f"{tool}=={version}" for tool, version in report.provenance.tools.items())
    return (
        f"With {tools} and the files above, `twite build recipe.toml` writes the same model.tflite "
        "from this recipe."
    )


def _table(rows: str) -> str:
    return f'<div class="wide"><table><tbody>\n{rows}\n</tbody></table></div>'


def _rows(rows: list[tuple[str, object]]) -> str:
    return "\n".join(
        f"<tr><th>{escape(key)}</th><td>{escape(_text(value))}</td></tr>" for key, value in rows
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
