"""The gate: what must never pass does not, and what it says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.errors import VerificationFailed
from twite.manifest import (
    ClassPostprocessing,
    RegressionPostprocessing,
    TensorPostprocessing,
)
from twite.tensors import Array, Tensors, TensorSpec
from twite_build.errors import DataError, RecipeError
from twite_build.scratch import load_tensors, save_tensors
from twite_build.selection import edge_inputs, rows
from twite_build.verification.engines import HERE
from twite_build.verification.gate import Gate
from twite_build.verification.measure import Answers, measure
from twite_build.verification.reference import Reference, activation_warning, check_source
from twite_build.verification.scores import Task
from twite_build.verification.verify import judge, tolerance

RANDOM = np.random.default_rng(3)
LABELS = ("a", "b", "c")
TRUTH = np.arange(300) % 3
SCORES = (4 * np.eye(3)[TRUTH] + RANDOM.normal(0, 0.5, (300, 3))).astype(np.float32)
VALUES = RANDOM.normal(10, 2, (300, 1)).astype(np.float32)
ROWS = (0, 1, 2)
INPUTS = (TensorSpec("x", "float32", (-1, 2)),)

CLASSES = Task(ClassPostprocessing("classes", "y"), LABELS, TRUTH)
NUMBER = Task(
    RegressionPostprocessing("regression", "y", decimals=0), (), VALUES[:, 0] + np.float32(0.5)
)
TENSORS = Task(TensorPostprocessing("tensors"))
CLASS_GATE = Gate(agreement=0.99, worsening=0.005)
NUMBER_GATE = Gate(agreement=0.999, worsening=0.02)


def reference(task: Task, gate: Gate, outputs: Array | Tensors) -> Reference:
    named = outputs if isinstance(outputs, dict) else {"y": outputs}
    return Reference(task, gate, INPUTS, named, ("zeros", "the largest inputs"), ROWS)


def answers(outputs: Array | Tensors, **changes: Any) -> Answers:
    """A candidate's answers, the same alone and in a batch."""
    named = outputs if isinstance(outputs, dict) else {"y": outputs}
    specs = tuple(
        TensorSpec(name, "float32", (-1, *array.shape[1:])) for name, array in named.items()
    )
    edges = {name: array[:2] for name, array in named.items()}
    whole = Answers(INPUTS, specs, named, edges, rows(named, ROWS), 1, "engine", "1")
    return whole._replace(**changes)


def reason(task: Task, gate: Gate, source: Array | Tensors, candidate: Answers) -> str:
    verdict = judge("int8-static", candidate, reference(task, gate, source))
    assert verdict.passed == (verdict.reason is None)
    return verdict.reason or "passed"


def test_passes_what_agrees_with_its_source() -> None:
    verdict = judge("fp16", answers(SCORES + 0.01), reference(CLASSES, CLASS_GATE, SCORES))
    assert verdict.passed
    assert verdict.agreement == 1.0
    assert verdict.metric == reference(CLASSES, CLASS_GATE, SCORES).metric


def test_refuses_a_candidate_that_disagrees_at_the_same_accuracy() -> None:
    # Wrong elsewhere, as often: only the agreement sees it.
    source, candidate = SCORES.copy(), SCORES.copy()
    source[:6], candidate[6:12] = -source[:6], -candidate[6:12]
    told = reason(CLASSES, CLASS_GATE, source, answers(candidate))
    assert told == "top-1 agreement 0.9600, at least 0.99 wanted"


def test_refuses_a_candidate_that_loses_accuracy() -> None:
    candidate = SCORES.copy()
    candidate[:3] = -candidate[:3]
    told = reason(CLASSES, CLASS_GATE._replace(agreement=0.9), SCORES, answers(candidate))
    assert "0.0100 below the source's, at most 0.005 allowed" in told


def test_refuses_a_candidate_under_the_minimum() -> None:
    gate = CLASS_GATE._replace(limit=0.9999)
    source = SCORES.copy()
    source[0] = -source[0]
    assert "at least 0.9999 wanted" in reason(CLASSES, gate, source, answers(source))


@pytest.mark.parametrize("task", [CLASSES, TENSORS])
def test_refuses_a_constant_that_agrees_with_a_constant_source(task: Task) -> None:
    constant = np.tile(np.float32([0, 1, 0]), (300, 1))
    candidate = answers(constant)
    told = reason(task, Gate(agreement=0.0), constant, candidate)
    assert told == "output 'y' is the same for all evaluation samples"
    with pytest.raises(VerificationFailed, match="the source model: output 'y' is the same for"):
        check_source(reference(task, CLASS_GATE, constant))


def test_refuses_a_constant_output_beside_a_good_one() -> None:
    source = {"y": VALUES, "z": VALUES * 2}
    told = reason(TENSORS, Gate(0.998), source, answers({**source, "z": VALUES * 0 + 3}))
    assert told.startswith("output 'z' is the same for all evaluation samples")


def test_compares_an_output_that_is_constant_in_the_source() -> None:
    source = {"y": VALUES, "anchors": np.full((300, 4), 5.0, np.float32)}
    assert reason(TENSORS, Gate(0.998), source, answers(source)) == "passed"
    other = answers({**source, "anchors": source["anchors"] + 1})
    assert "'anchors' is constant in the source and another" in reason(
        TENSORS, Gate(0.998), source, other
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(value: float) -> None:
    candidate = VALUES.copy()
    candidate[7] = value
    told = reason(NUMBER, NUMBER_GATE, VALUES, answers(candidate))
    assert told == "output 'y' is not finite for the evaluation samples"
    edge = np.float32([[1], [value]])
    told = reason(NUMBER, NUMBER_GATE, VALUES, answers(VALUES, edges={"y": edge}))
    assert told == "output 'y' is not finite for the largest inputs"


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (answers(VALUES[:, 0]), "output 'y' is (300,) float32; the source's is (300, 1)"),
        (answers(VALUES.astype(np.float64)), "'y' is (300, 1) float64; the source's is"),
        (answers(VALUES[:10]), "'y' is (10, 1) float32"),
        (answers({"z": VALUES}), "outputs are z; the source has y"),
        (
            answers(VALUES, inputs=(TensorSpec("x", "int8", (-1, 2)),)),
            "inputs are 'x' (N, 2) int8; the source has 'x' (N, 2) float32",
        ),
    ],
)
def test_refuses_another_shape_or_dtype(candidate: Answers, message: str) -> None:
    assert message in reason(NUMBER, NUMBER_GATE, VALUES, candidate)


def test_refuses_answers_that_depend_on_the_rest_of_the_batch() -> None:
    alone = rows({"y": VALUES + 5}, ROWS)
    told = reason(NUMBER, NUMBER_GATE, VALUES, answers(VALUES, golden=alone))
    assert told == "output 'y' of one sample changes by 5 with the rest of its batch"


def test_r_squared_sees_a_scale_and_an_offset() -> None:
    for candidate in (VALUES * 1.1, VALUES + 0.2, VALUES + RANDOM.normal(0, 0.2, (300, 1))):
        told = reason(NUMBER, NUMBER_GATE, VALUES, answers(candidate.astype(np.float32)))
        assert told.startswith("R² 0.")
        assert told.endswith("at least 0.999 wanted")


def test_refuses_an_error_that_grows() -> None:
    told = reason(NUMBER, NUMBER_GATE._replace(agreement=0.9), VALUES, answers(VALUES - 0.1))
    assert told == "mean absolute error 0.6, the source's is 0.5, at most 0.5116 allowed"
    passing = answers(VALUES - np.float32(0.005))
    assert reason(NUMBER, NUMBER_GATE, VALUES, passing) == "passed"


def test_numbers_are_compared_before_they_are_rounded_for_display() -> None:
    verdict = judge("fp32", answers(VALUES), reference(NUMBER, NUMBER_GATE, VALUES))
    assert verdict.metric == pytest.approx(0.5, abs=1e-6)


def test_the_worst_target_of_several_decides() -> None:
    both = np.hstack([VALUES, VALUES[::-1]])
    task = Task(RegressionPostprocessing("regression", "y"), (), both)
    candidate = both.copy()
    candidate[:, 1] += RANDOM.normal(0, 1, 300)
    assert "R²" in reason(task, Gate(agreement=0.99, worsening=1.0), both, answers(candidate))


def test_refuses_a_source_that_its_preprocessing_makes_useless() -> None:
    wrong = np.roll(SCORES, 1, axis=0)
    with pytest.raises(VerificationFailed) as refused:
        check_source(reference(CLASSES, CLASS_GATE, wrong))
    assert "always answering the most frequent class has 0.3333: check [preprocess]" in str(
        refused.value
    )
    with pytest.raises(VerificationFailed, match="always answering the median"):
        check_source(reference(NUMBER, NUMBER_GATE, np.roll(VALUES, 1, axis=0)))


def test_refuses_a_postprocessing_that_does_not_fit_the_outputs() -> None:
    with pytest.raises(RecipeError, match="output is 'y'; the model's outputs are 'z'"):
        check_source(reference(CLASSES, CLASS_GATE, {"z": SCORES}))
    with pytest.raises(RecipeError, match=r"'y' is \(300, 3\); the recipe has 2 labels"):
        check_source(reference(CLASSES._replace(labels=("a", "b")), CLASS_GATE, SCORES))
    with pytest.raises(DataError, match=r"'y' is \(300, 3\); the evaluation samples' target is"):
        check_source(reference(NUMBER, NUMBER_GATE, SCORES))


def test_warns_of_confidences_that_are_none() -> None:
    assert "set [postprocess] activation" in str(
        activation_warning(reference(CLASSES, CLASS_GATE, SCORES))
    )
    shares = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    twice = CLASSES._replace(how=ClassPostprocessing("classes", "y", activation="softmax"))
    assert "a softmax already" in str(activation_warning(reference(twice, CLASS_GATE, shares)))
    assert activation_warning(reference(twice, CLASS_GATE, SCORES)) is None
    assert activation_warning(reference(CLASSES, CLASS_GATE, shares)) is None


def test_tolerances_are_parts_of_the_range() -> None:
    span = float(np.ptp(VALUES.astype(np.float64)))
    assert tolerance("int8-static", {"y": VALUES})["y"] == pytest.approx(0.03 * span)
    assert tolerance("fp32", {"y": VALUES})["y"] == pytest.approx(1e-4 * span)
    assert tolerance("fp32", {"y": VALUES * 0})["y"] > 0


def test_measures_on_the_real_engine(trained: Any, tmp_path: Path) -> None:
    folder = trained.folder / "slope"
    evaluation = load_tensors(folder / "preprocessed.npz")
    sets = {
        "evaluation": evaluation,
        "edges": edge_inputs(evaluation)[1],
        "golden": rows(evaluation, ROWS),
    }
    paths = {name: tmp_path / f"{name}.npz" for name in sets}
    for name, tensors in sets.items():
        save_tensors(paths[name], tensors)
    found = measure(folder / "fp32.tflite", paths, tmp_path, HERE, 60.0)
    source = load_tensors(folder / "source.npz")["y"]
    np.testing.assert_allclose(found.evaluation["y"], source, atol=1e-5)
    np.testing.assert_allclose(found.golden["y"], source[list(ROWS)], atol=1e-5)
    assert found.rss_bytes > 0
    assert (found.engine, found.inputs) == (
        "ai-edge-litert",
        (TensorSpec("x", "float32", (-1, 3)),),
    )
