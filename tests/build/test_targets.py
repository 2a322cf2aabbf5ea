"""Targets and the operators that their engines have."""

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from twite.errors import EngineError
from twite_build.operators import engines, operator_problem, operators
from twite_build.recipe import TargetName
from twite_build.targets import TARGETS

ROOT = Path(__file__).parents[2]


def test_every_target_of_a_recipe_is_known_and_its_engine_too() -> None:
    assert set(TARGETS) == set(get_args(TargetName))
    assert {target.engine for target in TARGETS.values()} == set(engines())


def test_the_table_is_what_the_engine_registers() -> None:
    tool = ROOT / "tools" / "operator_versions.py"
    done = subprocess.run(
        [sys.executable, str(tool), sys.executable], capture_output=True, text=True, check=True
    )
    table = (ROOT / "build" / "twite_build" / "operator_versions.json").read_text()
    (line,) = [line for line in done.stdout.splitlines() if '"ai-edge-litert"' in line]
    assert line.removesuffix(",") in table.replace(os.linesep, "\n")


def test_reads_the_operators_of_real_models(bundles: Path) -> None:
    model = bundles / "digits" / "model.tflite"
    names = {operator.name for operator in operators(model)}
    assert {"CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED"} <= names
    assert all(operator.layer and operator.version >= 1 for operator in operators(model))
    for target in TARGETS.values():
        assert operator_problem(model, target) is None


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\xff" * 200])
def test_a_file_that_is_no_model_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tflite").write_bytes(content)
    with pytest.raises(EngineError, match="model.tflite is not a whole .tflite"):
        operators(tmp_path / "model.tflite")
