import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from twite import Model, bundle, load
from twite.errors import ShapeMismatch, VerificationFailed


def test_answers_features_with_numbers(bundles: Path) -> None:
    model = Model(load(bundles / "iris"))
    body = b'{"features": [[5.1, 3.5, 0.2], [6.9, 3.1, 2.3]]}'
    first, second = json.loads(model.predict(body, "application/json"))["prediction"]
    assert 1 < first < 2
    assert 5 < second < 6.5


def test_one_row_without_a_batch_gets_one_answer(bundles: Path) -> None:
    model = Model(load(bundles / "iris"))
    answer = json.loads(model.predict(b'{"features": [5.1, 3.5, 0.2]}', "application/json"))
    assert isinstance(answer["prediction"], float)


def test_answers_pixels_with_classes_best_first(bundles: Path) -> None:
    loaded = load(bundles / "digits")
    model = Model(loaded)
    pixels = loaded.golden_inputs()["image"]
    answer = json.loads(model.predict(bundle.npy(pixels), "application/x-npy"))["prediction"]
    assert len(answer) == len(pixels)
    for classes in answer:
        confidences = [entry["confidence"] for entry in classes]
        assert confidences == sorted(confidences, reverse=True)
        assert {entry["class"] for entry in classes} <= set("0123456789")


def test_refuses_a_shape_with_both_shapes(bundles: Path) -> None:
    model = Model(load(bundles / "iris"))
    with pytest.raises(ShapeMismatch, match=r"\(2,\).*\(3,\)"):
        model.predict(b'{"features": [1, 2]}', "application/json")


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_the_golden_samples_agree(bundles: Path, name: str) -> None:
    assert Model(load(bundles / name)).replay() > 0


def test_refuses_to_serve_what_was_not_verified(bundles: Path, tmp_path: Path) -> None:
    manifest = bundle.read_manifest(bundles / "iris")
    contents = {name: (bundles / "iris" / name).read_bytes() for name in manifest.files}
    ((output, file),) = manifest.golden.outputs.items()
    wrong = load(bundles / "iris").golden_outputs()[output] + 1
    bundle.write(tmp_path / "wrong", manifest, {**contents, file: bundle.npy(wrong)})
    with pytest.raises(VerificationFailed, match=f"output '{output}' is off by 1"):
        Model(load(tmp_path / "wrong")).replay()


def test_warns_of_an_engine_that_verified_nothing(bundles: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(bundles / "iris", tmp_path / "iris"))
    manifest = bundle.read_manifest(path)
    engines = tuple(engine._replace(version="0.1") for engine in manifest.engines)
    contents = {name: (path / name).read_bytes() for name in manifest.files}
    bundle.write(path, manifest._replace(engines=engines), contents, replace=True)
    assert "verified on ai-edge-litert 0.1" in Model(load(path)).warnings()[0]


def test_preprocessing_of_golden_samples_needs_no_picture_library(bundles: Path) -> None:
    inputs = load(bundles / "digits").golden_inputs()
    assert inputs["image"].shape[1:] == (28, 28, 1)
    assert inputs["image"].dtype == np.uint8
