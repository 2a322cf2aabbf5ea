"""Transformers: scalers, projections, and choices of columns."""

from typing import Any

import numpy as np

from twite.tensors import Array
from twite_build.estimators.numbers import affine, constant, split
from twite_build.estimators.refusal import Step, refuse


def standard(model: Any) -> Step:
    count = model.n_features_in_
    mean = model.mean_ if model.with_mean else np.zeros(count)
    return _scale(mean, model.scale_ if model.with_std else np.ones(count))


def robust(model: Any) -> Step:
    count = model.n_features_in_
    centre = model.center_ if model.with_centering else np.zeros(count)
    return _scale(centre, model.scale_ if model.with_scaling else np.ones(count))


def largest(model: Any) -> Step:
    return _scale(np.zeros(model.n_features_in_), model.scale_)


def minimum_maximum(model: Any) -> Step:
    """x * scale_ + min_, from the middle of the range so that little cancels."""
    import tensorflow as tf

    low, high = model.feature_range
    step = _scale(model.data_min_, 1 / model.scale_)

    def run(x: Any) -> Any:
        scaled = step(x) + constant(low)
        return tf.clip_by_value(scaled, low, high) if model.clip else scaled

    return run


def _scale(centre: Array, scale: Array) -> Step:
    """(x - centre) / scale; what float32 misses of the centre is taken away after the division."""
    high, low = split(centre)

    def run(x: Any) -> Any:
        return (x - constant(high)) * constant(1 / scale) + constant(-low / scale)

    return run


def normalizer(model: Any) -> Step:
    """Rows of length one; a row of zeros stays."""
    import tensorflow as tf

    def run(x: Any) -> Any:
        if model.norm == "l1":
            length = tf.reduce_sum(tf.abs(x), axis=1, keepdims=True)
        elif model.norm == "max":
            length = tf.reduce_max(tf.abs(x), axis=1, keepdims=True)
        else:
            length = tf.sqrt(tf.reduce_sum(x * x, axis=1, keepdims=True))
        return x / tf.where(length > 0, length, tf.ones_like(length))

    return run


def projection(model: Any) -> Step:
    """PCA: (x - mean) @ components, each by its standard deviation where it whitens."""
    weights = model.components_.T
    if model.whiten:
        deviation = np.sqrt(model.explained_variance_)
        weights = weights / np.maximum(deviation, np.finfo(deviation.dtype).eps)
    return lambda x: affine(x, weights, np.zeros(weights.shape[1]), model.mean_)


def truncated(model: Any) -> Step:
    weights = model.components_.T
    return lambda x: affine(x, weights, np.zeros(weights.shape[1]))


def selection(model: Any) -> Step:
    return columns(np.flatnonzero(model.get_support()))


def columns(indices: Array) -> Step:
    import tensorflow as tf

    chosen = np.asarray(indices, np.int32)
    return lambda x: tf.gather(x, chosen, axis=1)


def imputer(model: Any) -> Step:
    """What is not a number becomes the feature's statistic.

    Asked by two comparisons: x != x is folded to false by the converter.
    """
    import tensorflow as tf

    if (
        not np.isnan(model.missing_values)
        or model.add_indicator
        or len(model.statistics_) != np.isfinite(model.statistics_.astype(np.float64)).sum()
    ):
        raise refuse(model, "for numbers, without an indicator, every feature with values")

    def run(x: Any) -> Any:
        is_number = tf.logical_or(x <= 0.0, x > 0.0)
        return tf.where(is_number, x, tf.zeros_like(x) + constant(model.statistics_))

    return run


def polynomial(model: Any) -> Step:
    """Products of features by their powers, in scikit-learn's order."""
    import tensorflow as tf

    def product(x: Any, powers: Array) -> Any:
        found = [x[:, i : i + 1] for i, power in enumerate(powers) for _ in range(int(power))]
        result = found[0] if found else tf.ones_like(x[:, :1])
        for factor in found[1:]:
            result = result * factor
        return result

    return lambda x: tf.concat([product(x, powers) for powers in model.powers_], axis=1)
