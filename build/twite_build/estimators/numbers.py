"""float64 numbers in a float32 graph: what is lost, and where it is put instead."""

from typing import Any

import numpy as np

from twite.tensors import Array


def constant(values: Any) -> Any:
    import tensorflow as tf

    return tf.constant(np.asarray(values, np.float32))


def split(values: Any) -> tuple[Array, Array]:
    """values as float32 and what that misses, in float64: high + low is values."""
    high = np.asarray(values, np.float32)
    return high, np.asarray(values, np.float64) - high


def rounded_down(values: Any) -> Array:
    """The largest float32 that is not above: x <= value is then the same for every float32 x."""
    exact = np.asarray(values, np.float64)
    near = exact.astype(np.float32)
    return np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)


def affine(x: Any, weights: Array, bias: Array, centre: Array | None = None) -> Any:
    """(x - centre) @ weights + bias, (N, features) to (N, outputs).

    What float32 misses of the centre goes into the bias, after the subtraction has cancelled.
    """
    import tensorflow as tf

    if centre is not None:
        high, low = split(centre)
        x, bias = x - constant(high), bias - low @ weights
    return tf.matmul(x, constant(weights)) + constant(bias)
