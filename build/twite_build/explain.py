"""The whole table of candidates, and why each was kept or refused."""

from collections.abc import Iterator

from twite_build.recipe import Quantize
from twite_build.verification.scores import Task
from twite_build.verification.verify import Verdict


def explain(
    verdicts: tuple[Verdict, ...], winner: Verdict, wanted: Quantize, task: Task
) -> Iterator[str]:
    """Lines: the table's head, a row a candidate, what was measured beside, and the reasons."""
    head = ("candidate", "bytes", "median ms", "p99 ms", "RSS MB", task.agreement_name)
    rows = [[*head, task.metric_name or ""], *(_row(verdict) for verdict in verdicts)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join(cells).rstrip()
    for verdict in verdicts:
        yield f"{verdict.quantization}: {_why(verdict, winner, wanted)}"
        if verdict.scores:
            yield f"  {', '.join(f'{name} {value:.4g}' for name, value in verdict.scores)}"
        if verdict.float_layers:
            yield f"  left float: {', '.join(verdict.float_layers)}"


def _row(verdict: Verdict) -> list[str]:
    rss_mb = None if verdict.rss_bytes is None else verdict.rss_bytes / 1e6
    return [
        verdict.quantization,
        "" if verdict.size_bytes is None else f"{verdict.size_bytes:,}",
        _number(verdict.latency_ms, ".4g"),
        _number(verdict.p99_ms, ".4g"),
        _number(rss_mb, ".0f"),
        _number(verdict.agreement, ".4f"),
        _number(verdict.metric, ".4f"),
    ]


def _why(verdict: Verdict, winner: Verdict, wanted: Quantize) -> str:
    if verdict.reason is not None:
        return f"refused, {verdict.reason}"
    if verdict == winner:
        best = "smallest" if wanted.objective == "size" else "fastest"
        return f"kept, the {best} that passes"
    if verdict.quantization not in (*wanted.recipes, "int8-mixed"):
        return "passes, and the recipe does not ask for it"
    if wanted.objective == "size":
        return "passes, and is larger"
    return "passes, and is slower or, as fast, further down the ladder"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
