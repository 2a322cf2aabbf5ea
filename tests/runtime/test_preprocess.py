import numpy as np
import pytest

from twite.manifest import FeaturePreprocessing, ImagePreprocessing, TensorPreprocessing
from twite.preprocess import preprocess
from twite.tensors import Array

RNG = np.random.default_rng(7)


def picture(
    pixels: Array, mean: tuple[float, ...] = (0.0,), scale: tuple[float, ...] = (255.0,)
) -> Array:
    _, height, width, channels = pixels.shape
    how = ImagePreprocessing(
        "image", "x", height, width, 1 if channels == 1 else 3, mean=mean, scale=scale
    )
    return preprocess({"x": pixels}, how)["x"]


def features(
    rows: Array, mean: tuple[float, ...] = (0.0,), scale: tuple[float, ...] = (1.0,)
) -> Array:
    return preprocess({"x": rows}, FeaturePreprocessing("features", "x", (), mean, scale))["x"]


def test_pixels_become_zero_to_one_unless_told_otherwise() -> None:
    decoded = picture(np.array([[[[0], [51], [255]]]], np.uint8))
    assert decoded.dtype == np.float32
    assert decoded[0, 0, :, 0].tolist() == [0.0, np.float32(0.2), 1.0]


@pytest.mark.parametrize("mean", [(0.0,), (127.5,), (123.7, 116.3, 103.5)])
@pytest.mark.parametrize("scale", [(1.0,), (127.5,), (58.4, 57.1, 57.4)])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 1), (8, 6)])
def test_every_pixel_is_its_difference_to_the_mean_over_the_scale(
    mean: tuple[float, ...], scale: tuple[float, ...], size: tuple[int, int]
) -> None:
    pixels = RNG.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    before = pixels.copy()
    single = pixels.astype(np.float32)
    wanted = (single - np.array(mean, np.float32)) / np.array(scale, np.float32)
    decoded = picture(pixels, mean, scale)
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, wanted)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_every_feature_has_its_own_mean_and_scale(dtype: type) -> None:
    rows: Array = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    decoded = features(rows, (1.0, 2.0, 3.0), (1.0, 2.0, 4.0))
    assert decoded.dtype == np.float32
    assert decoded.tolist() == [[0, 0, 0], [3, 1.5, 0.75]]
    assert rows.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_one_mean_serves_a_model_of_single_numbers() -> None:
    assert features(np.array([3.0, 5.0], np.float32), (1.0,), (2.0,)).tolist() == [1, 2]


def test_float32_that_needs_no_change_is_not_copied() -> None:
    rows = np.zeros((1, 3), np.float32)
    assert features(rows) is rows
    assert features(rows, (0.0,) * 3, (1.0,) * 3) is rows


def test_reads_an_array_that_cannot_be_written() -> None:
    rows = np.frombuffer(np.array([2, 4], np.float32).tobytes(), np.float32).reshape(1, 2)
    assert features(rows, (1.0,), (2.0,)).tolist() == [[0.5, 1.5]]


def test_other_inputs_and_plain_tensors_pass_as_they_came() -> None:
    tensors: dict[str, Array] = {"x": np.zeros((1, 2), np.int8), "y": np.ones(1, np.int32)}
    assert preprocess(tensors, TensorPreprocessing("tensors")) is tensors
    decoded = preprocess(tensors, FeaturePreprocessing("features", "x", (), (1.0,)))
    assert decoded["x"].tolist() == [[-1, -1]]
    assert decoded["y"] is tensors["y"]
    assert tensors["x"].tolist() == [[0, 0]]
