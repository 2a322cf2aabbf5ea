"""Files of samples: each thing that can be wrong with one is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.manifest import (
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    Preprocessing,
    RegressionPostprocessing,
    TensorPostprocessing,
    TensorPreprocessing,
)
from twite_build.data.read import read_samples as read
from twite_build.data.wanted import Wanted
from twite_build.errors import DataError
from twite_build.recipe import Data
from twite_build.samples import Samples, check_target, sample_warnings
from twite_build.scratch import load_tensors, save_tensors
from twite_build.selection import edge_inputs, golden_rows

FEATURES = FeaturePreprocessing("features", "x", columns=("a", "b"))
IMAGE = ImagePreprocessing("image", "picture", 4, 4, 1)
CLASSES = ClassPostprocessing("classes", "y")
NUMBERS = RegressionPostprocessing("regression", "y")
ROWS = np.arange(20.0).reshape(10, 2)


def read_samples(path: Path, how: Preprocessing) -> Samples:
    return read(path, Wanted(how, TensorPostprocessing("tensors"), (), Data("", "")))


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "some.npz", **arrays)
    return folder / "some.npz"


def test_reads_features_as_a_request_has_them(tmp_path: Path) -> None:
    samples = read_samples(npz(tmp_path, x=ROWS, target=ROWS[:, 0]), FEATURES)
    assert samples.inputs["x"].dtype == np.float32
    assert samples.count == 10
    assert samples.target is not None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": ROWS}, "holds 'y'; the recipe's input is 'x'"),
        ({"x": ROWS[:, :1]}, r"'x' is \(10, 1\); features are \(N, 2\)"),
        ({"x": np.array([["1", "2"]] * 3)}, "must be numbers"),
        ({"x": np.array([[1, None]] * 3, object)}, "pickled object array"),
        ({"x": ROWS, "target": ROWS[:5]}, "different numbers of samples: 'x' 10, 'target' 5"),
        ({"x": np.where(ROWS == 4, np.nan, ROWS)}, "sample 2 is not finite"),
        ({"x": ROWS[:1]}, "must hold many samples"),
        ({"x": np.float64(1.0)}, r"'x' is \(\); features are \(N, 2\)"),
    ],
)
def test_refuses_wrong_features(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        read_samples(npz(tmp_path, **arrays), FEATURES)
    assert "some.npz" in str(refused.value)


@pytest.mark.parametrize(
    "pictures",
    [np.random.default_rng(0).random((9, 4, 4, 1)), np.zeros((9, 4, 4), np.uint8)],
)
def test_refuses_pictures_that_are_already_preprocessed(tmp_path: Path, pictures: Any) -> None:
    with pytest.raises(DataError, match=r"pictures are \(N, 4, 4, 1\) uint8, as they are before"):
        read_samples(npz(tmp_path, picture=pictures), IMAGE)


def test_refuses_what_is_no_npz(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "one.npy", ROWS)
    whole = npz(tmp_path, x=ROWS).read_bytes()
    (tmp_path / "truncated.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("text.npz", "truncated.npz"):
        with pytest.raises(DataError, match="is not an .npz file"):
            read_samples(tmp_path / name, FEATURES)
    with pytest.raises(DataError, match="is one .npy array"):
        read_samples(tmp_path / "one.npy", FEATURES)
    with pytest.raises(DataError, match="nowhere.npz cannot be read: No such file"):
        read_samples(tmp_path / "nowhere.npz", FEATURES)


def test_lets_nonfinite_features_pass_where_the_recipe_does(tmp_path: Path) -> None:
    how = FeaturePreprocessing("features", "x", nonfinite="allow")
    path = npz(tmp_path, x=np.where(ROWS == 4, np.nan, ROWS))
    edges = edge_inputs(read_samples(path, how).inputs)[1]
    assert np.isfinite(edges["x"]).all()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "lacks 'target'"),
        (np.arange(10) % 3, "sample 2 is class 2; the recipe has 2 labels, 0 to 1"),
        (-(np.arange(10) % 2), "sample 1 is class -1"),
        (np.arange(10) % 2 * 1.0, "class numbers are"),
        (np.zeros((10, 2), np.int64), "class numbers are"),
    ],
)
def test_refuses_classes_without_a_label(tmp_path: Path, target: Any, message: str) -> None:
    arrays = {"x": ROWS} if target is None else {"x": ROWS, "target": target}
    samples = read_samples(npz(tmp_path, **arrays), FEATURES)
    with pytest.raises(DataError, match=message):
        check_target(samples, CLASSES, ("no", "yes"))


def test_refuses_values_that_are_not_finite(tmp_path: Path) -> None:
    samples = read_samples(npz(tmp_path, x=ROWS, target=np.full(10, np.inf)), FEATURES)
    with pytest.raises(DataError, match="all finite"):
        check_target(samples, NUMBERS, ())


def test_warns_of_few_samples_with_the_number_wanted(tmp_path: Path) -> None:
    samples = read_samples(npz(tmp_path, x=ROWS), FEATURES)
    few = sample_warnings(samples, samples)
    assert [text.split(":")[0] for text in few] == [
        "some.npz has 10 samples; 100 or more are wanted",
        "some.npz has 10 samples; 30 or more are wanted",
    ]


def test_warns_of_samples_that_are_the_same(tmp_path: Path) -> None:
    same = read_samples(npz(tmp_path, x=np.ones((200, 2))), FEATURES)
    told = sample_warnings(same, same)
    assert told[0].startswith("some.npz has 200 samples, only 1 of them different; 100 or more")
    assert "30 or more are wanted" in told[1]


def test_the_hash_of_samples_is_of_their_values(tmp_path: Path) -> None:
    once = read_samples(npz(tmp_path, x=ROWS), FEATURES)
    again = Samples(Path("elsewhere"), dict(once.inputs))
    assert once.sha256() == again.sha256()
    changed = Samples(Path("elsewhere"), {"x": once.inputs["x"] + 1})
    assert changed.sha256() != once.sha256()


def test_tensors_keep_any_name(tmp_path: Path) -> None:
    tensors = {"file": ROWS, "a/b:0": ROWS[:3], "": ROWS[:1]}
    save_tensors(tmp_path / "t.npz", tensors)
    loaded = load_tensors(tmp_path / "t.npz")
    assert {name: array.tolist() for name, array in loaded.items()} == {
        name: array.tolist() for name, array in tensors.items()
    }


def test_golden_rows_spread_over_the_targets(tmp_path: Path) -> None:
    target = np.repeat(np.arange(8), 5)
    path = npz(tmp_path, x=np.arange(80.0).reshape(40, 2), target=target)
    rows = golden_rows(read_samples(path, FEATURES))
    assert target[list(rows)].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_edges_are_what_a_decoded_input_can_hold(tmp_path: Path) -> None:
    pictures = np.arange(9 * 16, dtype=np.uint8).reshape(9, 4, 4, 1)
    names, edges = edge_inputs(read_samples(npz(tmp_path, picture=pictures), IMAGE).inputs)
    assert len(names) == len(edges["picture"]) == 3
    assert {int(edges["picture"].min()), int(edges["picture"].max())} == {0, 255}
    index = np.array([[3], [1], [4]], np.int32)
    path = npz(tmp_path, x=ROWS[:3], index=index)
    _, edges = edge_inputs(read_samples(path, TensorPreprocessing("tensors")).inputs)
    assert edges["x"].tolist() == [[0, 0], [0, 2], [8, 10]]
    assert edges["index"].tolist() == [[0], [1], [4]]
