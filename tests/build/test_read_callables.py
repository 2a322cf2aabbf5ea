"""Samples from a Python function, which runs in a process of its own."""

import io
from pathlib import Path

import pytest
from PIL import Image

from twite.errors import ChildFailed
from twite.manifest import (
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    RegressionPostprocessing,
    TensorPostprocessing,
    TensorPreprocessing,
    TextPreprocessing,
)
from twite.text import tokens
from twite_build.data.read import read_samples
from twite_build.data.wanted import Wanted
from twite_build.errors import DataError
from twite_build.recipe import Data

CODE = """
import os
from pathlib import Path
import numpy as np
import beside

def rows():
    yield [1, 2], 10
    yield np.array([3.0, 4.0]), 20

def texts():
    return [("a b", "ham"), ("c", "spam")]

def pictures():
    return [Path(__file__).with_name("a.png").read_bytes(), Path(__file__).with_name("a.png")]

def pixels():
    return [np.full((2, 3, 1), i, np.uint8) for i in range(2)]

def gone():
    return [Path(__file__).with_name("gone.png")]

def tensors():
    return [{"one": np.zeros(2, np.float32), "two": [i]} for i in range(3)]

def mixed():
    return [([1, 2], 3), [1, 2]]

def uneven():
    return [[1, 2], [1, 2, 3]]

def words():
    return ["no row"] * 2

def nothing():
    return []

def number():
    return 5

def failing():
    raise KeyError("the data base is away")

def failing_late():
    yield [1, 2], 3
    raise KeyError("the second one is away")

def dying():
    os.abort()

not_callable = 5
"""
DATA = Data("", "")
FEATURES = FeaturePreprocessing("features", "x", columns=("a", "b"))
NUMBERS = Wanted(FEATURES, RegressionPostprocessing("regression", "y"), (), DATA)
IMAGE = ImagePreprocessing("image", "image", 2, 3, 1)
RAW = TensorPostprocessing("tensors")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "samples.py").write_text(CODE)
    (tmp_path / "beside.py").write_text("")
    body = io.BytesIO()
    Image.new("L", (3, 2), 7).save(body, "PNG")
    (tmp_path / "a.png").write_bytes(body.getvalue())
    return tmp_path


def test_rows_and_their_answers(code: Path) -> None:
    samples = read_samples(code / "samples.py:rows", NUMBERS)
    assert samples.inputs["x"].tolist() == [[1, 2], [3, 4]]
    assert samples.target.tolist() == [10, 20]  # type: ignore[union-attr]


def test_texts_and_their_labels(code: Path) -> None:
    how = TextPreprocessing("text", "words", length=3, buckets=9)
    wanted = Wanted(how, ClassPostprocessing("classes", "y"), ("ham", "spam"), DATA)
    samples = read_samples(code / "samples.py:texts", wanted)
    assert samples.inputs["words"].tolist() == [tokens("a b", how), tokens("c", how)]
    assert samples.target.tolist() == [0, 1]  # type: ignore[union-attr]


def test_pictures_as_bytes_paths_and_pixels(code: Path) -> None:
    wanted = Wanted(IMAGE, RAW, (), DATA)
    pictures = read_samples(code / "samples.py:pictures", wanted)
    assert pictures.inputs["image"].tolist() == [[[[7]] * 3] * 2] * 2
    pixels = read_samples(code / "samples.py:pixels", wanted)
    assert pixels.inputs["image"][1].max() == 1


def test_tensors_by_name(code: Path) -> None:
    wanted = Wanted(TensorPreprocessing("tensors"), RAW, (), DATA)
    samples = read_samples(code / "samples.py:tensors", wanted)
    assert {name: array.shape for name, array in samples.inputs.items()} == {
        "one": (3, 2),
        "two": (3, 1),
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("samples.py:mixed", "sample 1 has no answer; others have one"),
        ("samples.py:uneven", r"sample 1: array is \(3,\); the model takes"),
        ("samples.py:words", "sample 0 is str; it is no request of kind 'features'"),
        ("samples.py:nothing", "gave no samples"),
        ("samples.py:number", "gave int; it must give samples"),
        ("samples.py:failing", "failed: KeyError: 'the data base is away'"),
        ("samples.py:failing_late", "failed: KeyError: 'the second one is away'"),
        ("samples.py:not_callable", "has no function 'not_callable'"),
        ("samples.py:absent", "has no function 'absent'"),
        ("absent.py:rows", r"absent\.py is not there"),
    ],
)
def test_refuses_wrong_functions(code: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_samples(code / name, NUMBERS)


def test_a_crash_in_a_function_ends_as_an_error(code: Path) -> None:
    with pytest.raises(ChildFailed, match="crashed with SIGABRT"):
        read_samples(code / "samples.py:dying", NUMBERS)


def test_a_picture_that_is_gone_is_named(code: Path) -> None:
    with pytest.raises(DataError, match=r"sample 0: .*gone\.png cannot be read: No such file"):
        read_samples(code / "samples.py:gone", Wanted(IMAGE, RAW, (), DATA))


def test_pixels_of_another_size_are_refused(code: Path) -> None:
    wanted = Wanted(IMAGE._replace(width=5), RAW, (), DATA)
    with pytest.raises(DataError, match=r"sample 0: array is \(2, 3, 1\)"):
        read_samples(code / "samples.py:pixels", wanted)
