import numpy as np
import pytest

from twite.accelerators.judge import compare, extremes, is_constant, is_finite, tolerances
from twite.tensors import Array, Tensors


def outputs(*values: object, dtype: str = "float32") -> Tensors:
    return {"y": np.array([values], dtype)}


def test_a_float_may_be_off_by_one_percent_of_the_largest() -> None:
    references = [outputs(1, -10), outputs(2, 3)]
    allowed = tolerances(references, {})
    assert allowed["y"] == pytest.approx(0.1)
    assert compare(outputs(1.09, -10), references[0], allowed) is None
    problem = compare(outputs(1.11, -10), references[0], allowed)
    assert problem is not None
    assert problem.kind == "wrong"


def test_the_bundle_may_allow_more() -> None:
    assert tolerances([outputs(1)], {"y": 0.5})["y"] == 0.5


def test_an_integer_may_be_off_by_two_steps() -> None:
    right = outputs(250, 3, dtype="uint8")
    allowed = tolerances([right], {"y": 0.0})
    assert compare(outputs(252, 1, dtype="uint8"), right, allowed) is None
    assert compare(outputs(253, 3, dtype="uint8"), right, allowed) is not None


def test_not_a_number_is_wrong_where_the_cpu_has_one() -> None:
    right, allowed = outputs(1, 2), {"y": 1.0}
    problem = compare(outputs(1, np.nan), right, allowed)
    assert problem is not None
    assert problem.kind == "nonfinite"
    assert compare(outputs(1, np.nan), outputs(1, np.nan), allowed) is None


def test_another_shape_is_wrong() -> None:
    assert compare(outputs(1, 2, 3), outputs(1, 2), {"y": 9.0}) is not None


def test_the_same_answer_to_everything_proves_nothing() -> None:
    assert is_constant([outputs(1), outputs(1)])
    assert not is_constant([outputs(1), outputs(2)])


@pytest.mark.parametrize("size", [3, 300])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_finds_what_is_not_finite(size: int, value: float) -> None:
    array: Array = np.ones((1, size), np.float32)
    assert is_finite({"y": array})
    array[0, -1] = value
    assert not is_finite({"y": array})
    assert is_finite({"y": np.ones(3, np.int8)})


def test_extremes_stay_within_the_samples() -> None:
    samples: Tensors = {
        "x": np.array([[0.5, -2.0], [1.0, 7.0]], np.float32),
        "token": np.array([[3, 900], [1, 4]], np.int32),
        "flag": np.array([[True], [False]]),
    }
    found = extremes(samples)
    for sample in found:
        for name, array in sample.items():
            assert array.dtype == samples[name].dtype
            assert array.shape == samples[name][:1].shape
            assert array.min() >= samples[name].min()
            assert array.max() <= samples[name].max()
    assert found[0]["token"].tolist() == [[1, 1]]
    assert found[1]["x"].tolist() == [[7.0, 7.0]]
