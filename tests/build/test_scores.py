"""Scores that are known by hand."""

import numpy as np
import pytest

from twite.manifest import ClassPostprocessing, RegressionPostprocessing
from twite_build.verification import scores
from twite_build.verification.gate import Gate, Limit, further_problem
from twite_build.verification.scores import Task

LABELS = tuple("abcdefgh")
CLASSES = ClassPostprocessing("classes", "y", activation="softmax")


def logits(*rows: tuple[int, float]) -> dict[str, np.ndarray]:
    """One row a pair: the class that wins and by how much."""
    made = np.zeros((len(rows), len(LABELS)), np.float32)
    for row, (number, lead) in zip(made, rows, strict=True):
        row[number] = lead
    return {"y": made}


def test_only_where_the_source_is_confident() -> None:
    task = Task(CLASSES, LABELS)
    source = logits((0, 9.0), (1, 9.0), (2, 0.1))
    candidate = logits((0, 9.0), (1, 9.0), (3, 0.1))
    assert scores.agreement(task, candidate, source) == pytest.approx(2 / 3)
    assert scores.confident_agreement(task, candidate, source) == 1.0
    assert scores.confident_agreement(task, candidate, logits((0, 0.1))) is None


def test_the_first_class_among_the_first_five() -> None:
    task = Task(CLASSES, LABELS, np.array([7, 0]))
    source, candidate = logits((7, 9.0), (0, 9.0)), logits((1, 9.0), (1, 9.0))
    # Of equal scores the first labels come first: 7 is behind, 0 is among the five.
    assert scores.top5_agreement(task, candidate, source) == 0.5
    assert scores.further_metrics(task, candidate)[scores.TOP5] == 0.5
    assert scores.top5_agreement(Task(CLASSES, LABELS[:5]), candidate, source) is None


def test_f1_is_the_mean_over_the_classes() -> None:
    truth, answers = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert scores.f1(answers, truth) == pytest.approx((2 * 2 / 5 + 2 * 1 / 3) / 2)


def test_errors_of_a_regression() -> None:
    task = Task(RegressionPostprocessing("regression", "y"), (), np.array([0.0, 1.0, 2.0]))
    source = {"y": np.float32([[0], [1], [2]])}
    candidate = {"y": np.float32([[0], [1], [2.5]])}
    assert scores.maximum_error(task, candidate, source) == pytest.approx(0.25)
    found = scores.further_metrics(task, candidate)
    assert found[scores.RMSE] == pytest.approx(np.sqrt(0.25 / 3))
    assert found["R² of the target"] == pytest.approx(1 - 0.25 / 2)
    assert scores.cosine(task, {"y": -source["y"]}, source) == pytest.approx(-1.0)


def test_a_further_metric_may_worsen_by_its_own_limit() -> None:
    gate = Gate(0.9, further=(Limit("F1", 0.01), Limit("RMSE", 0.05)))
    assert further_problem(gate, "classes", "F1", 0.99, 1.0, 0.5) is None
    assert "0.0200 below the source's" in str(
        further_problem(gate, "classes", "F1", 0.98, 1.0, 0.5)
    )
    assert further_problem(gate, "regression", "RMSE", 1.05, 1.0, 0.0) is None
    assert "at most 1.05 allowed" in str(
        further_problem(gate, "regression", "RMSE", 1.06, 1.0, 0.0)
    )
    assert further_problem(gate, "classes", "top-5 accuracy", 0.0, 1.0, 0.5) is None
