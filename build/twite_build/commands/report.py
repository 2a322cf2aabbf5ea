"""`twite report`: what a bundle's build measured, or two bundles side by side."""

import argparse
import json
from pathlib import Path
from typing import Any

from twite.errors import UsageError
from twite.settings import Settings


def register(commands: Any) -> None:
    """Add `report` to the commands of `twite` (entry-point group `twite.commands`)."""
    summary = "Show what the build of a bundle measured, or compare two bundles."
    parser = commands.add_parser("report", help=summary, description=summary)
    parser.add_argument("bundle", type=Path, help="the folder that `twite build` wrote")
    parser.add_argument("other", type=Path, nargs="?", help="another one to compare it with")
    parser.add_argument("--open", action="store_true", help="show the page in a browser")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    # Imported here: the other commands of `twite` need none of it.
    from twite_build.report import read_report, to_json
    from twite_build.reporting.terminal import report_lines

    report = read_report(options.bundle)
    if options.open:
        if options.other:
            raise UsageError("--open shows one bundle's page; name one bundle")
        return _open(options.bundle / "report.html")
    if options.other:
        return _compare(report, read_report(options.other), as_json=options.json)
    if options.json:
        print(to_json(report).decode(), end="")
        return 0
    for line in report_lines(report):
        print(line)
    return 0


def _compare(report: Any, other: Any, *, as_json: bool) -> int:
    from twite_build.reporting.compare import compare, comparison_lines

    differences = compare(report, other)
    if as_json:
        print(json.dumps([row._asdict() for row in differences], indent=2, ensure_ascii=False))
        return 0
    for line in comparison_lines(differences):
        print(line)
    return 0


def _open(page: Path) -> int:
    import webbrowser

    address = page.absolute().as_uri()
    if not webbrowser.open(address):
        print(f"no browser could be started; open {page}")
    return 0
