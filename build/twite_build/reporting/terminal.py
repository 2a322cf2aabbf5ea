"""The report as lines for a terminal, and two side by side."""

from twite_build.report import CandidateReport, Report
from twite_build.reporting.page import cells, columns, reproduction, spell_signature, summary

Rows = list[list[str]]


def report_lines(report: Report) -> list[str]:
    """What the page says, without its pictures."""
    rows: Rows = [["", *columns(report), ""]]
    source = CandidateReport("source", True, metric=report.metric_source)
    rows.append(["source", *cells(report, source), ""])
    for candidate in report.candidates:
        verdict = "passed" if candidate.passed else f"refused: {candidate.reason}"
        if candidate is report.chosen:
            verdict = "in this bundle"
        rows.append([candidate.quantization, *cells(report, candidate), verdict])
    lines = [f"{report.name} {report.version}: {summary(report)}", *_text(report.description), ""]
    lines += [*aligned(rows), "", f"gate: {report.gate}"]
    for layer in sorted(report.layers, key=lambda layer: -layer.error)[:5]:
        lines.append(f"layer {layer.name}: error {layer.error:.4f}")
    for signature in report.signatures or ():
        told = f"R² {signature.agreement:.4f}, {spell_signature(signature)}"
        lines.append(f"signature {signature.name}: {told}")
    for sample in report.evidence.worst[:3]:
        right = "" if sample.right is None else f", right is {sample.right}"
        said = f"source {sample.source}, bundle {sample.answer}{right}"
        lines.append(f"sample {sample.row}: {said}")
        lines += [f"  {sample.shown}"] if sample.shown else []
    lines += ["", *_origin(report), reproduction(report)]
    return [printable(line) for line in lines]


def aligned(rows: Rows) -> list[str]:
    """Columns as wide as their widest cell; the first and the last begin at the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def printable(text: str) -> str:
    """Without what could steer a terminal: names in a bundle are somebody else's text."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _text(text: str) -> list[str]:
    return [text] if text else []


def _origin(report: Report) -> list[str]:
    origin = report.provenance
    lines = [f"source {origin.source}, SHA-256 {origin.source_sha256}"]
    lines += [
        f"{data.role} {data.file}, {data.samples:,} samples, SHA-256 {data.sha256}"
        for data in report.evidence.data
    ]
    return lines + [
        f"{file.name} {file.size_bytes:,} bytes, SHA-256 {file.sha256}"
        for file in report.evidence.files
    ]
