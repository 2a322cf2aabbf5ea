"""The ladder on real models: which candidate wins, and what the others are refused for."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.errors import VerificationFailed
from twite.fields import from_table
from twite.manifest import RegressionPostprocessing
from twite.tensors import TensorSpec
from twite_build.errors import ConversionFailed
from twite_build.progress import Progress
from twite_build.recipe import Quantize
from twite_build.scratch import load_tensors, save_tensors
from twite_build.search import Candidate, Sets, attempt, climb
from twite_build.selection import edge_inputs, rows
from twite_build.verification.gate import Gate
from twite_build.verification.reference import Reference
from twite_build.verification.scores import Task

ROWS = (0, 5, 9)


class Climb:
    """A converted model of the fixtures, ready to be quantized and judged."""

    def __init__(self, trained: Any, name: str, folder: Path) -> None:
        source = trained.folder / name
        self.model = source / "fp32.tflite"
        evaluation = load_tensors(source / "preprocessed.npz")
        names, edges = edge_inputs(evaluation)
        decoded = {"calibration": evaluation, "evaluation": evaluation, "edges": edges}
        decoded["golden"] = rows(evaluation, ROWS)
        paths = {set_name: folder / f"{set_name}.npz" for set_name in decoded}
        for set_name, tensors in decoded.items():
            save_tensors(paths[set_name], tensors)
        self.sets = Sets(folder, paths, names, ROWS)
        specs = trained.answers[name]["result"]["inputs"]
        self.reference = Reference(
            Task(RegressionPostprocessing("regression", "y")),
            Gate(agreement=0.999),
            tuple(from_table(TensorSpec, spec, "input", ConversionFailed) for spec in specs),
            load_tensors(source / "source.npz"),
            names,
            ROWS,
        )
        self.lines = io.StringIO()
        self.progress = Progress(self.lines, terminal=False, color=False)

    def climb(self, wanted: Quantize) -> tuple[str, list[str]]:
        """The winner, and every candidate that was judged."""
        winner, verdicts = climb(self.model, self.sets, self.reference, wanted, self.progress)
        return winner.verdict.quantization, [verdict.quantization for verdict in verdicts]


def test_falls_through_to_the_next_candidate(trained: Any, tmp_path: Path) -> None:
    ladder = Climb(trained, "outlier", tmp_path)
    winner, judged = ladder.climb(Quantize())
    assert judged == ["fp32", "int8-static", "int8-dynamic", "fp16"]
    assert winner == "fp16"
    refused = [line for line in ladder.lines.getvalue().splitlines() if "refused" in line]
    assert "output 'y' is the same for all evaluation samples" in refused[0]
    assert "R² 0." in refused[1]


def test_takes_the_fastest_that_passes(trained: Any, tmp_path: Path) -> None:
    winner, judged = Climb(trained, "slope", tmp_path).climb(
        Quantize(recipes=("fp16", "int8-dynamic"))
    )
    assert (winner, judged) == ("int8-dynamic", ["fp32", "int8-dynamic"])


def test_size_orders_by_measured_bytes(trained: Any, tmp_path: Path) -> None:
    ladder = Climb(trained, "outlier", tmp_path)
    winner, judged = ladder.climb(Quantize(objective="size"))
    sizes = [(tmp_path / f"{name}.tflite").stat().st_size for name in judged if name != "fp32"]
    assert judged[0] == "fp32"
    assert sizes == sorted(sizes)
    assert winner == "fp16"


def test_refuses_when_none_passes_and_says_why_each(trained: Any, tmp_path: Path) -> None:
    ladder = Climb(trained, "outlier", tmp_path)
    with pytest.raises(VerificationFailed) as refused:
        ladder.climb(Quantize(recipes=("int8-static", "int8-dynamic")))
    assert refused.value.exit_code == 3
    assert "int8-static: output 'y' is the same for all" in str(refused.value)
    assert "int8-dynamic: R² " in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("ratio", "output 'y' is not finite for zeros"),
        ("crowd", "of one sample changes by"),
    ],
)
def test_refuses_a_conversion_that_is_wrong_itself(
    trained: Any, tmp_path: Path, model: str, message: str
) -> None:
    ladder = Climb(trained, model, tmp_path)
    with pytest.raises(VerificationFailed, match="the float32 conversion fails: ") as refused:
        ladder.climb(Quantize())
    assert message in str(refused.value)


def test_refuses_a_file_that_the_engine_cannot_load(trained: Any, tmp_path: Path) -> None:
    ladder = Climb(trained, "slope", tmp_path)
    (tmp_path / "broken.tflite").write_bytes(ladder.model.read_bytes()[:500])
    broken = Candidate("fp16", tmp_path / "broken.tflite")
    verdict = attempt(broken, ladder.sets, ladder.reference, ladder.progress).verdict
    assert not verdict.passed
    assert str(tmp_path) not in str(verdict.reason)


def test_refuses_a_converted_model_of_another_input(trained: Any, tmp_path: Path) -> None:
    ladder = Climb(trained, "slope", tmp_path)
    other = Candidate("fp16", trained.folder / "two_inputs" / "fp32.tflite")
    verdict = attempt(other, ladder.sets, ladder.reference, ladder.progress).verdict
    assert verdict.reason == "the converted model takes a, index; its source takes x"


def test_a_quantizer_that_fails_is_a_candidate_that_fails(trained: Any, tmp_path: Path) -> None:
    ladder = Climb(trained, "slope", tmp_path)
    save_tensors(ladder.sets.paths["calibration"], {"nonsense": np.zeros((4, 3), np.float32)})
    winner, judged = ladder.climb(Quantize(recipes=("int8-static", "fp16")))
    assert (winner, judged) == ("fp16", ["fp32", "int8-static", "fp16"])


def test_a_fixed_batch_is_calibrated_and_measured_one_by_one(trained: Any, tmp_path: Path) -> None:
    winner, judged = Climb(trained, "recurrent", tmp_path).climb(
        Quantize(recipes=("int8-dynamic", "fp32"))
    )
    assert winner in judged
