"""Boxes: decoded from anchors, brought back to the picture, without those that overlap."""

import json
from pathlib import Path

import numpy as np
import pytest

from twite.boxes import detections, intersection_over_union, suppress
from twite.bundle import load, npy, read_manifest, write
from twite.errors import BundleError, TwiteError, UsageError
from twite.frames import Frame, Scene
from twite.manifest import (
    BoxPostprocessing,
    ImagePreprocessing,
    Preprocessing,
    TensorPreprocessing,
)
from twite.postprocess import postprocess
from twite.tensors import Array, Tensors, TensorSpec

IMAGE = ImagePreprocessing("image", "image", 100, 200, 3)
HOW = BoxPostprocessing("boxes", "boxes", "scores", label="face")
ANCHORS = np.array([[0.5, 0.5, 1, 1], [0.25, 0.5, 1, 1], [0.5, 0.5, 0.5, 0.5]], np.float32)


def outputs(offsets: list[list[float]], scores: list[float]) -> Tensors:
    """One sample."""
    return {
        "boxes": np.array([offsets], np.float32),
        "scores": np.array(scores, np.float32).reshape(1, -1, 1),
    }


def one(offset: list[float], anchor: int, frames: tuple[Frame, ...] = ()) -> object:
    offsets = [[0.0] * 4] * anchor + [offset] + [[0.0] * 4] * (2 - anchor)
    scores = [-9.0] * anchor + [9.0] + [-9.0] * (2 - anchor)
    (found,) = detections(outputs(offsets, scores), HOW, Scene(ANCHORS, IMAGE, frames))
    return found


def test_a_box_is_an_anchor_and_offsets_in_pixels_of_the_input() -> None:
    wanted = [{"class": "face", "confidence": 0.9999, "box": [100, 30, 140, 50]}]
    assert one([20, -10, 40, 20], 0) == wanted
    assert one([20, -10, 40, 20], 2) == [
        {"class": "face", "confidence": 0.9999, "box": [100, 40, 120, 50]}
    ]


def test_a_box_is_in_pixels_of_the_picture_and_inside_it() -> None:
    letterboxed = Frame((400, 100), (0, -50, 400, 150))
    (found,) = one([0, 0, 200, 20], 0, (letterboxed,))  # type: ignore[misc]
    assert found["box"] == [0, 30, 400, 70]
    (found,) = one([0, 0, 500, 500], 0, (letterboxed,))  # type: ignore[misc]
    assert found["box"] == [0, 0, 400, 100]


def test_boxes_that_overlap_a_better_one_go() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]], np.float32)
    assert suppress(boxes, np.array([0.5, 0.9, 0.6]), 0.3, 10) == [1, 2]
    assert suppress(boxes, np.array([0.5, 0.9, 0.6]), 0.9, 10) == [1, 2, 0]
    assert suppress(boxes, np.array([0.5, 0.9, 0.6]), 0.9, 1) == [1]


def test_intersection_over_union() -> None:
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [1, 1, 1, 1]], np.float64)
    shares = intersection_over_union(np.array([0.0, 0, 2, 2]), others)
    assert shares.tolist() == pytest.approx([1, 1 / 3, 0, 0])


def test_below_the_minimum_nothing_is_found() -> None:
    assert detections(outputs([[0] * 4] * 3, [-0.1] * 3), HOW, Scene(ANCHORS, IMAGE)) == [[]]


def test_top_k_of_the_caller_counts() -> None:
    far = [[-60, 0, 10, 10], [60, 0, 10, 10], [0, 0, 10, 10]]
    found = postprocess(outputs(far, [1, 2, 3]), HOW, (), scene=Scene(ANCHORS, IMAGE), top_k=2)
    assert [box["confidence"] for box in found[0]] == [0.9526, 0.8808]  # type: ignore[index,attr-defined]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("name", ["boxes", "scores"])
def test_nan_is_an_error_and_never_no_box(name: str) -> None:
    broken = outputs([[0] * 4] * 3, [1] * 3)
    broken[name][0, 0, 0] = np.nan
    with pytest.raises(TwiteError, match=f"'{name}' is NaN or infinity"):
        detections(broken, HOW, Scene(ANCHORS, IMAGE))


def test_boxes_without_a_scene_are_refused() -> None:
    with pytest.raises(UsageError, match="need the bundle's anchors"):
        postprocess(outputs([[0] * 4], [1]), HOW, ())


def bundle(folder: Path, anchors: Array, how: Preprocessing = IMAGE) -> Path:
    """A bundle of boxes; its model is never run."""
    specs = (
        TensorSpec("boxes", "float32", (-1, 3, 16)),
        TensorSpec("scores", "float32", (-1, 3, 1)),
    )
    known = read_manifest(Path(__file__).parent / "bundles" / "digits")
    golden = known.golden._replace(
        outputs={spec.name: f"{spec.name}.npy" for spec in specs},
        tolerance={spec.name: 1.0 for spec in specs},
    )
    manifest = known._replace(outputs=specs, preprocessing=how, postprocessing=HOW, golden=golden)
    files = {golden.inputs["image"]: b"", "model.tflite": b"", "anchors.npy": npy(anchors)}
    files |= dict.fromkeys(golden.outputs.values(), b"")
    write(folder / "bundle", manifest, files)
    return folder / "bundle"


def test_a_bundle_brings_its_anchors(tmp_path: Path) -> None:
    scene = load(bundle(tmp_path, ANCHORS)).scene()
    assert scene is not None
    assert scene.anchors.tolist() == ANCHORS.tolist()


@pytest.mark.parametrize("wrong", [ANCHORS[:2], ANCHORS.astype(np.float64), ANCHORS[:, :3]])
def test_a_bundle_with_other_anchors_is_refused(tmp_path: Path, wrong: Array) -> None:
    with pytest.raises(BundleError, match=r"anchors\.npy is .* needs float32 anchors"):
        load(bundle(tmp_path, wrong)).scene()


def test_boxes_of_no_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="answers boxes from 'tensors'"):
        bundle(tmp_path, ANCHORS, TensorPreprocessing("tensors"))
