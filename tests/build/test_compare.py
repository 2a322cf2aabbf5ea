"""Two reports side by side: the numbers always, the rest only where it differs."""

import json
import subprocess
import sys
from pathlib import Path

from twite_build.report import read_report
from twite_build.reporting.compare import compare, comparison_lines


def test_numbers_stand_beside_each_other_with_their_change(bundles: Path) -> None:
    digits = read_report(bundles / "digits")
    half = digits.candidates[1]._replace(size_bytes=(digits.candidates[1].size_bytes or 0) // 2)
    smaller = digits._replace(candidates=(digits.candidates[0], half))
    rows = {row.name: row for row in compare(digits, smaller)}
    assert rows["bytes"].change == -0.5
    assert rows["quantization"].a == rows["quantization"].b == "int8-static"
    assert "engines" not in rows
    assert "preprocess height" not in rows


def test_tools_that_differ_are_named(bundles: Path) -> None:
    digits = read_report(bundles / "digits")
    tools = {**digits.provenance.tools, "keras": "2.0"}
    other = digits._replace(provenance=digits.provenance._replace(tools=tools))
    rows = {row.name: (row.a, row.b) for row in compare(digits, other)}
    assert rows["keras"] == (digits.provenance.tools["keras"], "2.0")


def test_measures_of_other_tasks_have_no_change(bundles: Path) -> None:
    rows = compare(read_report(bundles / "digits"), read_report(bundles / "iris"))
    (metric,) = (row for row in rows if row.name == "accuracy | mean absolute error")
    assert metric.change is None
    lines = comparison_lines(rows)
    assert all(len(line) < 160 and line.isprintable() for line in lines)


def test_the_command_compares(bundles: Path) -> None:
    pair = [str(bundles / "digits"), str(bundles / "digits"), "--json"]
    command = [sys.executable, "-m", "twite", "report", *pair]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows = json.loads(done.stdout)
    assert all(row["a"] == row["b"] for row in rows)
