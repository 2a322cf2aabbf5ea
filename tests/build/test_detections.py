"""Scores of a detector: the same boxes as its source, and something where something is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.frames import Scene
from twite.manifest import BoxPostprocessing, ImagePreprocessing
from twite_build.errors import DataError, RecipeError
from twite_build.recipe import read_recipe, read_scene
from twite_build.samples import Samples, check_target
from twite_build.verification import scores
from twite_build.verification.detections import (
    detection_accuracy,
    detection_agreement,
    presence_baseline,
)
from twite_build.verification.scores import Task

RECIPE = """
name = "finder"
version = "1"
[source]
kind = "tflite"
file = "model.tflite"
[data]
calibration = "pictures"
evaluation = "pictures"
anchors = "anchors.npy"
[preprocess]
kind = "image"
input = "image"
height = 10
width = 10
channels = 3
[postprocess]
kind = "boxes"
boxes = "boxes"
scores = "scores"
"""
HOW = BoxPostprocessing("boxes", "boxes", "scores", activation="none")
IMAGE = ImagePreprocessing("image", "image", 10, 10, 3)
ANCHORS = np.array([[0.5, 0.5, 1, 1], [0.2, 0.2, 1, 1]], np.float32)


def boxes(*edges: list[int]) -> list[dict[str, Any]]:
    return [{"box": list(one)} for one in edges]


def test_the_same_boxes_agree_in_any_order() -> None:
    source = boxes([0, 0, 10, 10], [20, 20, 30, 30])
    assert detection_agreement([source[::-1], []], [source, []]) == 1


@pytest.mark.parametrize(
    "found",
    [
        boxes([0, 0, 10, 10]),
        boxes([0, 0, 10, 10], [40, 40, 50, 50]),
        boxes([0, 0, 10, 10], [0, 0, 10, 10]),
        boxes([0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]),
        [],
    ],
)
def test_a_box_more_fewer_or_elsewhere_does_not_agree(found: list[dict[str, Any]]) -> None:
    source = boxes([0, 0, 10, 10], [20, 20, 30, 30])
    assert detection_agreement([found, source], [source, source]) == 0.5


def test_accuracy_is_of_something_where_something_is() -> None:
    found = [boxes([0, 0, 1, 1]), [], boxes([0, 0, 1, 1]), []]
    assert detection_accuracy(found, np.array([2, 0, 0, 1])) == 0.5
    assert presence_baseline(np.array([1, 0, 0, 0])) == 0.75


def test_the_task_scores_raw_outputs() -> None:
    offsets = np.zeros((2, 2, 4), np.float32)
    offsets[..., 2:] = 2
    outputs = {"boxes": offsets, "scores": np.array([[[0.9], [0.1]], [[0.1], [0.2]]], np.float32)}
    task = Task(HOW, (), np.array([1, 0]), Scene(ANCHORS, IMAGE))
    assert scores.metric(task, outputs) == 1
    assert scores.agreement(task, outputs, outputs) == 1
    nothing = {**outputs, "scores": np.zeros((2, 2, 1), np.float32)}
    assert scores.agreement(task, nothing, outputs) == 0.5
    assert task.metric_name == "detection accuracy"


def test_targets_of_boxes_are_counts() -> None:
    pictures = {"image": np.zeros((2, 10, 10, 3), np.uint8)}
    check_target(Samples(Path("x"), pictures, np.array([0.0, 3.0])), HOW, ())
    with pytest.raises(DataError, match="how many objects each picture shows"):
        check_target(Samples(Path("x"), pictures, np.array([0.0, -1.0])), HOW, ())
    with pytest.raises(DataError, match="lacks 'target'"):
        check_target(Samples(Path("x"), pictures), HOW, ())


def test_reads_the_anchors_that_the_recipe_names(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    np.save(tmp_path / "anchors.npy", ANCHORS)
    scene = read_scene(read_recipe(tmp_path / "recipe.toml"))
    assert scene is not None
    assert scene.anchors.tolist() == ANCHORS.tolist()


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        (ANCHORS.astype(np.float64), r"\(2, 4\) float64; anchors are \(N, 4\) float32"),
        (ANCHORS[:, :3], r"\(2, 3\) float32; anchors are"),
        (ANCHORS * np.float32(np.nan), "anchors are"),
    ],
)
def test_refuses_wrong_anchors(tmp_path: Path, anchors: Any, message: str) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    np.save(tmp_path / "anchors.npy", anchors)
    with pytest.raises(RecipeError, match=message):
        read_scene(read_recipe(tmp_path / "recipe.toml"))


def test_refuses_boxes_without_a_file_of_anchors(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.replace('anchors = "anchors.npy"', ""))
    with pytest.raises(RecipeError, match="the file of the anchors in .data. anchors"):
        read_scene(read_recipe(tmp_path / "recipe.toml"))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "anchors.npy").write_text("none")
    with pytest.raises(RecipeError, match=r"anchors\.npy is no \.npy file"):
        read_scene(read_recipe(tmp_path / "recipe.toml"))
