"""Integer inputs and outputs: the formula of the specification, and what passes untouched."""

import numpy as np
import pytest

from twite.quantized import dequantize, quantize
from twite.tensors import Quantization, TensorSpec

SPEC = TensorSpec("x", "int8", (-1, 3), Quantization(0.5, -10))
PLAIN = TensorSpec("n", "int32", (-1, 1))


def test_real_values_become_the_nearest_integers_and_are_clipped() -> None:
    values = np.float32([[0.0, 0.26, -0.26], [1000.0, -1000.0, 5.0]])
    (integers,) = quantize({"x": values}, (SPEC,)).values()
    assert integers.dtype == np.int8
    assert integers.tolist() == [[-10, -9, -11], [127, -128, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_range(value: float) -> None:
    (integers,) = quantize({"x": np.float32([[value] * 3])}, (SPEC,)).values()
    assert integers.tolist() == [[{np.inf: 127, -np.inf: -128}.get(value, -10)] * 3]


def test_integers_become_real_values_again() -> None:
    (values,) = dequantize({"x": np.int8([[-10, 127, -128]])}, (SPEC,)).values()
    assert values.dtype == np.float32
    assert values.tolist() == [[0.0, 68.5, -59.0]]


def test_what_came_as_the_model_takes_it_passes() -> None:
    tensors = {"x": np.int8([[1, 2, 3]]), "n": np.int32([[7]])}
    assert quantize(tensors, (SPEC, PLAIN)) is tensors
    plain = {"n": np.int32([[7]])}
    assert dequantize(plain, (PLAIN,)) is plain
