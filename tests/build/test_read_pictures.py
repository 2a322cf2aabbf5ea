"""A folder of pictures: a class a sub-folder, a labels.csv, and files that are no pictures."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twite.manifest import (
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    RegressionPostprocessing,
)
from twite_build.data.read import read_samples
from twite_build.data.wanted import Wanted
from twite_build.errors import DataError
from twite_build.recipe import Data
from twite_build.samples import sample_warnings

IMAGE = ImagePreprocessing("image", "image", 4, 6, 3)
CLASSES = Wanted(IMAGE, ClassPostprocessing("classes", "y"), ("cat", "dog"), Data("", ""))
NUMBERS = Wanted(IMAGE, RegressionPostprocessing("regression", "y"), (), Data("", ""))


def picture(file: Path, grey: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8), (grey, grey, grey)).save(file)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for i in range(3):
        picture(tmp_path / "cat" / f"{i}.png", i)
        picture(tmp_path / "dog" / f"{i}.jpg", 100 + i)
    (tmp_path / ".DS_Store").write_text("hidden")
    (tmp_path / "cat" / ".hidden").write_text("hidden")
    return tmp_path


def test_a_sub_folder_is_a_class(pets: Path) -> None:
    samples = read_samples(pets, CLASSES)
    assert samples.inputs["image"].shape == (6, 4, 6, 3)
    assert samples.inputs["image"].dtype == np.uint8
    assert samples.target is not None
    assert samples.target.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_picture_is_what_a_request_would_decode_to(pets: Path) -> None:
    from twite.images import decode_image

    samples = read_samples(pets, CLASSES)
    wanted = decode_image((pets / "dog" / "2.jpg").read_bytes(), IMAGE)
    np.testing.assert_array_equal(samples.inputs["image"][5], wanted)


def test_a_flat_folder_has_no_answers(tmp_path: Path) -> None:
    for i in range(2):
        picture(tmp_path / f"{i}.png", i)
    assert read_samples(tmp_path, CLASSES).target is None


def test_a_labels_file_gives_classes_or_numbers(tmp_path: Path) -> None:
    for i in range(2):
        picture(tmp_path / "deep" / f"{i}.png", i)
    listing = tmp_path / "labels.csv"
    listing.write_text("file,label\ndeep/1.png,dog\ndeep/0.png,0\n")
    assert read_samples(tmp_path, CLASSES).target.tolist() == [1, 0]  # type: ignore[union-attr]
    listing.write_text("file,target\ndeep/1.png,2.5\ndeep/0.png,-1\n")
    assert read_samples(tmp_path, NUMBERS).target.tolist() == [2.5, -1]  # type: ignore[union-attr]


def test_an_unreadable_picture_is_refused_by_its_name(pets: Path) -> None:
    whole = (pets / "dog" / "1.jpg").read_bytes()
    (pets / "dog" / "1.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"dog/1\.jpg: the picture .* unreadable = \"skip\""):
        read_samples(pets, CLASSES)


def test_an_unreadable_picture_is_left_out_and_named_where_the_recipe_says_so(pets: Path) -> None:
    (pets / "cat" / "0.png").write_text("no picture")
    skipping = CLASSES._replace(data=Data("", "", unreadable="skip"))
    samples = read_samples(pets, skipping)
    assert samples.target is not None
    assert samples.target.tolist() == [0, 0, 1, 1, 1]
    told = sample_warnings(samples, samples)
    left_out = "1 of 6 pictures cannot be read and are left out: cat/0.png"
    assert any(text.endswith(left_out) for text in told)


def test_a_folder_without_any_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no picture that can be read"):
        read_samples(tmp_path, CLASSES)


def test_refuses_a_folder_that_is_no_class(pets: Path) -> None:
    (pets / "dog").rename(pets / "dogs")
    with pytest.raises(DataError, match=r"dogs: 'dogs' is none .* did you mean 'dog'"):
        read_samples(pets, CLASSES)


def test_refuses_pictures_beside_the_folders_of_the_classes(pets: Path) -> None:
    picture(pets / "stray.png")
    with pytest.raises(DataError, match=r"'stray\.png' beside them"):
        read_samples(pets, CLASSES)


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("name,label\n0.png,cat\n", "has no column 'file'"),
        ("file,label\n../0.png,cat\n", r"line 2 names '\.\./0\.png', which is not in"),
        ("file,label\n0.png,bird\n", "line 2: 'bird' is none of the recipe's 2 labels"),
        ("file,label\n9.png,cat\n", r"9\.png cannot be read: No such file"),
        ("file,label\n0.png\n", "line 2 has 1 fields; its header has 2"),
        ("file,label\n", "no rows below its header"),
    ],
)
def test_refuses_a_wrong_listing(tmp_path: Path, listing: str, message: str) -> None:
    picture(tmp_path / "0.png")
    (tmp_path / "labels.csv").write_text(listing)
    with pytest.raises(DataError, match=message):
        read_samples(tmp_path, CLASSES)


def test_a_folder_is_for_pictures(tmp_path: Path) -> None:
    rows = CLASSES._replace(preprocess=FeaturePreprocessing("features", "x"))
    with pytest.raises(DataError, match="kind 'features' takes no pictures"):
        read_samples(tmp_path, rows)


def test_a_picture_of_too_many_pixels_is_named(tmp_path: Path) -> None:
    body = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(body, "PNG")
    (tmp_path / "huge.png").write_bytes(body.getvalue())
    with pytest.raises(DataError, match=r"huge\.png: the picture is 10000 x 6000 pixels"):
        read_samples(tmp_path, CLASSES)
