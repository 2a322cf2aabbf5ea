import json

import numpy as np
import pytest

from twite.encode import encode
from twite.errors import TwiteError
from twite.manifest import ClassPostprocessing, RegressionPostprocessing, TensorPostprocessing
from twite.postprocess import postprocess

SCORES = {"scores": np.array([[1.0, 3.0, 2.0]], np.float32)}


def test_classes_are_the_top_k_best_first() -> None:
    how = ClassPostprocessing("classes", "scores", top_k=2)
    assert postprocess(SCORES, how, ("a", "b", "c")) == [
        [{"class": "b", "confidence": 3.0}, {"class": "c", "confidence": 2.0}]
    ]


def test_softmax_is_stable_for_large_scores() -> None:
    how = ClassPostprocessing("classes", "scores", activation="softmax")
    large = {"scores": np.array([[1000.0, 999.0]], np.float32)}
    (classes,) = postprocess(large, how, ("a", "b"))
    assert classes == [{"class": "a", "confidence": 0.7311}, {"class": "b", "confidence": 0.2689}]


def test_sigmoid_treats_each_class_alone() -> None:
    how = ClassPostprocessing("classes", "scores", activation="sigmoid")
    (classes,) = postprocess({"scores": np.array([[-1000.0, 0.0]])}, how, ("a", "b"))
    assert classes == [{"class": "b", "confidence": 0.5}, {"class": "a", "confidence": 0.0}]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_regression_scales_and_rounds(shape: tuple[int, ...]) -> None:
    how = RegressionPostprocessing("regression", "y", scale=2.0, offset=1.0, decimals=1)
    values = {"y": np.array([0.12, 1.0], np.float32).reshape(shape)}
    assert postprocess(values, how, ()) == [1.2, 3.0]


def test_several_targets_stay_a_list() -> None:
    how = RegressionPostprocessing("regression", "y")
    assert postprocess({"y": np.array([[1.0, 2.0]], np.float32)}, how, ()) == [[1.0, 2.0]]


def test_raw_tensors_keep_their_names() -> None:
    outputs = {"a": np.array([[1, 2]], np.int8), "b": np.array([[0.5]], np.float32)}
    how = TensorPostprocessing("tensors")
    assert postprocess(outputs, how, ()) == {"a": [[1, 2]], "b": [[0.5]]}


def test_nan_is_an_error_and_never_an_answer() -> None:
    with pytest.raises(TwiteError, match="answered NaN or infinity"):
        encode([float("nan")])


def test_answers_are_compact_utf8_json() -> None:
    assert encode([{"class": "é"}]) == '{"prediction":[{"class":"é"}]}'.encode()
    assert json.loads(encode([1.5])) == {"prediction": [1.5]}
