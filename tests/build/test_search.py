"""The search on real models: which candidate wins, and what the others are refused for."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.errors import UnsupportedTarget, VerificationFailed
from twite.fields import from_table
from twite.manifest import RegressionPostprocessing
from twite.tensors import TensorSpec
from twite_build.errors import ConversionFailed, DataError, RecipeError
from twite_build.explain import explain
from twite_build.parallel import in_parallel
from twite_build.progress import Progress
from twite_build.quantization import quantize
from twite_build.recipe import Quantize
from twite_build.scratch import load_tensors, save_tensors
from twite_build.search import Candidate, Place, Search, Sets, Winner, attempt, search
from twite_build.selection import edge_inputs, rows
from twite_build.targets import TARGETS
from twite_build.verification.engines import find_engine
from twite_build.verification.gate import Gate
from twite_build.verification.reference import Reference
from twite_build.verification.scores import Task
from twite_build.verification.verify import Verdict

ROWS = (0, 5, 9)
OWN_ENVIRONMENT = Path(__file__).parents[2] / ".venvs" / "tflite-runtime" / "bin" / "python"


class Case:
    """A converted model of the fixtures, ready to be quantized and judged."""

    def __init__(self, trained: Any, name: str, folder: Path, **changes: Any) -> None:
        source = trained.folder / name
        evaluation = load_tensors(source / "preprocessed.npz")
        names, edges = edge_inputs(evaluation)
        sets = {"calibration": evaluation, "evaluation": evaluation, "edges": edges}
        sets["golden"] = rows(evaluation, ROWS)
        paths = {set_name: folder / f"{set_name}.npz" for set_name in sets}
        for set_name, tensors in sets.items():
            save_tensors(paths[set_name], tensors)
        specs = trained.answers[name]["result"]["inputs"]
        reference = Reference(
            Task(RegressionPostprocessing("regression", "y")),
            Gate(agreement=0.999),
            tuple(from_table(TensorSpec, spec, "input", ConversionFailed) for spec in specs),
            load_tensors(source / "source.npz"),
            names,
            ROWS,
        )
        self.lines = io.StringIO()
        self.asked = Search(
            source / "fp32.tflite",
            Sets(folder, paths, names, ROWS),
            reference,
            Quantize(**changes),
            Place(),
            Progress(self.lines, terminal=False, color=False),
        )

    def on(self, target: Any) -> "Case":
        self.asked = self.asked._replace(place=Place(TARGETS[target]))
        return self

    def search(self) -> tuple[Winner, dict[str, Verdict]]:
        winner, verdicts = search(self.asked)
        return winner, {verdict.quantization: verdict for verdict in verdicts}


def test_measures_every_candidate_and_refuses_what_disagrees(trained: Any, tmp_path: Path) -> None:
    case = Case(trained, "outlier", tmp_path, relax=0)
    winner, verdicts = case.search()
    assert list(verdicts) == ["fp32", "int8-static", "int8-dynamic", "int8-weights", "fp16"]
    refused = "output 'y' is the same for all evaluation samples"
    assert verdicts["int8-static"].reason == refused
    assert str(verdicts["int8-dynamic"].reason).startswith("R² 0.")
    assert winner.verdict.quantization == "int8-weights"
    for verdict in verdicts.values():
        assert (verdict.size_bytes or 0) > 0
        assert 0 < (verdict.latency_ms or 0) <= (verdict.p99_ms or 0)
        assert (verdict.rss_bytes or 0) > 10_000_000
    assert case.lines.getvalue().count("verify ") == 5


def test_leaves_the_worst_layers_float_before_it_goes_down(trained: Any, tmp_path: Path) -> None:
    winner, verdicts = Case(
        trained, "cancelling", tmp_path, recipes=("int8-static", "int8-dynamic")
    ).search()
    errors = {layer.name: layer.error for layer in verdicts["int8-static"].layers}
    mixed = winner.verdict
    assert mixed.quantization == "int8-mixed"
    assert 1 <= len(mixed.float_layers) < len(errors)
    assert set(mixed.float_layers) <= set(errors)
    assert max(errors.values()) > 0.05


def test_layers_and_operators_may_be_left_float_by_name(trained: Any, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"recipes": ("int8-static",), "relax": 0}
    whole = Case(trained, "slope", tmp_path, **changes).search()[1]["int8-static"]
    name = whole.layers[0].name
    left = Case(trained, "slope", tmp_path, float_layers=(name,), **changes).search()[1]
    assert left["int8-static"].size_bytes != whole.size_bytes
    every = Case(trained, "slope", tmp_path, float_operators=("FULLY_CONNECTED",), **changes)
    with pytest.raises(VerificationFailed, match="int8-static: litert-quantizer refused"):
        every.search()
    with pytest.raises(RecipeError, match="float_layers has 'nothing', which the model has not"):
        Case(trained, "slope", tmp_path, float_layers=("nothing",), **changes).search()
    with pytest.raises(RecipeError, match="float_operators has 'DENSE'; known are "):
        Case(trained, "slope", tmp_path, float_operators=("DENSE",), **changes).search()


def test_of_those_as_fast_the_first_of_the_ladder_wins(trained: Any, tmp_path: Path) -> None:
    # These take microseconds: whatever the clock says, they are as fast as each other.
    winner, verdicts = Case(
        trained, "slope", tmp_path, recipes=("fp16", "int8-dynamic", "fp32")
    ).search()
    assert winner.verdict.quantization == "int8-dynamic"
    assert list(verdicts) == ["fp32", "int8-dynamic", "fp16"]


def test_size_takes_the_smallest(trained: Any, tmp_path: Path) -> None:
    case = Case(trained, "slope", tmp_path, objective="size")
    winner, verdicts = case.search()
    sizes = [verdict.size_bytes for verdict in verdicts.values() if verdict.passed]
    assert winner.verdict.size_bytes == min(size for size in sizes if size)
    told = list(explain(tuple(verdicts.values()), winner.verdict, case.asked.wanted, CASE_TASK))
    assert told[0].split("  ")[0] == "candidate"
    assert f"{winner.verdict.quantization}: kept, the smallest that passes" in told
    assert "fp32: passes, and is larger" in told


CASE_TASK = Task(RegressionPostprocessing("regression", "y"))


def test_integers_in_and_out_agree_as_the_values_they_stand_for(
    trained: Any, tmp_path: Path
) -> None:
    case = Case(trained, "slope", tmp_path, recipes=("int8-static",), io="integer")
    winner, _ = case.search()
    (given,), (answered,) = winner.answers.inputs, winner.answers.outputs
    assert (given.dtype, answered.dtype) == ("int8", "int8")
    assert given.quantization is not None
    assert answered.quantization is not None
    assert winner.answers.golden["y"].dtype == np.int8


def test_refuses_when_none_passes_and_says_why_each(trained: Any, tmp_path: Path) -> None:
    case = Case(trained, "outlier", tmp_path, recipes=("int8-static", "int8-dynamic"), relax=0)
    with pytest.raises(VerificationFailed) as refused:
        case.search()
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
    with pytest.raises(VerificationFailed, match="the float32 conversion fails: ") as refused:
        Case(trained, model, tmp_path).search()
    assert message in str(refused.value)


def test_refuses_a_file_that_the_engine_cannot_load(trained: Any, tmp_path: Path) -> None:
    asked = Case(trained, "slope", tmp_path).asked
    (tmp_path / "broken.tflite").write_bytes(asked.model.read_bytes()[:500])
    verdict = attempt(Candidate("fp16", tmp_path / "broken.tflite"), asked).verdict
    assert not verdict.passed
    assert str(tmp_path) not in str(verdict.reason)


def test_refuses_a_converted_model_of_another_input(trained: Any, tmp_path: Path) -> None:
    other = Candidate("fp16", trained.folder / "two_inputs" / "fp32.tflite")
    verdict = attempt(other, Case(trained, "slope", tmp_path).asked).verdict
    assert verdict.reason == "the converted model takes a, index; its source takes x"


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ({"nonsense": np.zeros((4, 3), np.float32)}, "hold nonsense; the model takes x"),
        ({"x": np.zeros((4, 7), np.float32)}, r"is \(4, 7\) float32; the model takes \(N, 3\)"),
        ({"x": np.zeros((4, 3), np.float64)}, r"is \(4, 3\) float64; the model takes"),
    ],
)
def test_refuses_calibration_that_the_model_does_not_take(
    trained: Any, tmp_path: Path, calibration: dict[str, Any], message: str
) -> None:
    case = Case(trained, "slope", tmp_path)
    save_tensors(case.asked.sets.paths["calibration"], calibration)
    with pytest.raises(DataError, match=message):
        case.search()


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        ("dies_of_static", "crashed with SIGSEGV"),
        ("is_killed_in_static", "was killed, most likely because the machine ran out of memory"),
        ("runs_out_of_memory_in_static", "ran out of memory"),
    ],
)
def test_a_quantizer_that_fails_is_a_candidate_that_fails(
    trained: Any, tmp_path: Path, faults: None, monkeypatch: Any, child: str, reason: str
) -> None:
    monkeypatch.setattr(quantize, "CHILD", f"crashing:{child}")
    case = Case(trained, "slope", tmp_path, recipes=("int8-static", "fp16"))
    winner, verdicts = case.search()
    assert reason in str(verdicts["int8-static"].reason)
    assert winner.verdict.quantization == "fp16"


def test_a_quantizer_that_hangs_is_ended(trained: Any, faults: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(quantize, "CHILD", "crashing:hangs_in_static")
    folder = trained.folder / "slope"
    wanted = Quantize(recipes=("int8-static",), timeout_s=2.0)
    task = quantize.Task(folder / "fp32.tflite", folder / "none.npz", folder, False, wanted)
    (made,) = in_parallel(lambda job, on_start: job(on_start), quantize.quantizing(task))[0]
    assert "ran longer than 2 s and was ended" in str(made.failure)


def test_a_fault_is_charged_to_the_recipe_that_has_it(
    trained: Any, tmp_path: Path, faults: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(quantize, "CHILD", "crashing:dies_of_dynamic")
    case = Case(trained, "slope", tmp_path, recipes=("int8-dynamic", "int8-weights", "fp16"))
    _, verdicts = case.search()
    assert "crashed with SIGSEGV" in str(verdicts["int8-dynamic"].reason)
    assert verdicts["int8-weights"].passed
    assert verdicts["fp16"].passed


def test_a_fixed_batch_is_calibrated_and_measured_one_by_one(trained: Any, tmp_path: Path) -> None:
    winner, verdicts = Case(
        trained, "recurrent", tmp_path, recipes=("int8-dynamic", "fp32")
    ).search()
    assert winner.verdict.quantization in verdicts


def test_an_operator_that_the_target_lacks_is_named_with_its_layer(
    trained: Any, tmp_path: Path
) -> None:
    case = Case(trained, "slope", tmp_path).on("armv7")
    newer = tmp_path / "newer.tflite"
    newer.write_bytes(with_version(case.asked.model.read_bytes(), "FULLY_CONNECTED", 11))
    case.asked = case.asked._replace(model=newer)
    with pytest.raises(UnsupportedTarget) as refused:
        case.search()
    assert refused.value.exit_code == 4
    told = str(refused.value)
    assert told.startswith("target 'armv7': layer '")
    assert "needs FULLY_CONNECTED in version 11; tflite-runtime 2.14.0 has it up to" in told


def with_version(content: bytes, operator: str, version: int) -> bytes:
    """A model whose operator codes claim another version."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for code in model.operatorCodes:
        if code.builtinCode == getattr(schema.BuiltinOperator, operator):
            code.version = version
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_target_leaves_out_what_is_wrong_on_its_engine(trained: Any, tmp_path: Path) -> None:
    case = Case(trained, "slope", tmp_path, recipes=("int8-dynamic", "fp16")).on("armv7")
    _, verdicts = case.search()
    assert list(verdicts) == ["fp32", "fp16"]
    only = Case(trained, "slope", tmp_path, recipes=("int8-dynamic",)).on("armv7")
    with pytest.raises(RecipeError, match="refuses every recipe: tflite-runtime 2.14 loads dyn"):
        only.search()


def test_a_32_bit_board_is_built_for_on_its_own_engine(trained: Any, tmp_path: Path) -> None:
    place, warning = find_engine(TARGETS["armv7"], OWN_ENVIRONMENT)
    if warning:
        pytest.skip(
            "cannot run here: CPython 3.11 with tflite-runtime is not in .venvs; "
            "make .venvs/tflite-runtime/.made"
        )
    case = Case(trained, "slope", tmp_path)
    case.asked = case.asked._replace(place=Place(TARGETS["armv7"], place))
    winner, verdicts = case.search()
    assert list(verdicts) == ["fp32", "int8-static", "int8-weights", "fp16"]
    assert all(verdict.passed for verdict in verdicts.values())
    assert all((verdict.latency_ms or 0) > 0 for verdict in verdicts.values())
    assert (winner.answers.engine, winner.answers.engine_version) == ("tflite-runtime", "2.14.0")


def test_an_engine_that_is_not_here_is_named(tmp_path: Path) -> None:
    place, warning = find_engine(TARGETS["armv7"], tmp_path / "python")
    assert place.engine == "ai-edge-litert"
    assert f"tflite-runtime, which is not in {tmp_path / 'python'}" in str(warning)
    assert "pip install tflite-runtime==2.14.0" in str(warning)
