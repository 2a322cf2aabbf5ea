"""Support vector machines with kernels (libsvm)."""

import copy
from typing import Any

import numpy as np

from twite.tensors import Array
from twite_build.estimators.numbers import affine, constant
from twite_build.estimators.refusal import Step, refuse

LIFT = 1e-3
"""How far predict's class is put above the best score: votes that tie are decided by order there,
by confidence in decision_function."""


def regressor(model: Any) -> Step:
    step = _sums(model, model.dual_coef_.T, model.intercept_)
    return lambda x: step(x)[:, 0]


def classifier(model: Any) -> Step:
    """Scores as `reference` has them."""
    if len(model.classes_) == 2:
        weights = np.hstack([-model.dual_coef_.T, model.dual_coef_.T])
        both = np.concatenate([-model.intercept_, model.intercept_])
        return _sums(model, weights, both)
    step = _sums(model, _pair_weights(model), model.intercept_)
    return lambda x: _scores(model, step(x))


def reference(model: Any, features: Array) -> Array:
    """decision_function one against the rest, -d and d for two classes, predict's class lifted."""
    rest = copy.copy(model)
    rest.decision_function_shape = "ovr"
    found = rest.decision_function(features)
    if found.ndim == 1:
        return np.stack([-found, found], axis=1)
    if not model.break_ties:
        chosen = np.searchsorted(model.classes_, model.predict(features))
        found[np.arange(len(found)), chosen] = found.max(axis=1) + LIFT
    return np.asarray(found)


def _pairs(model: Any) -> list[tuple[int, int]]:
    count = len(model.classes_)
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def _pair_weights(model: Any) -> Array:
    """(vectors, pairs): libsvm keeps, a class, one coefficient against each other class."""
    ends = np.cumsum(model.n_support_)
    rows = [slice(end - n, end) for end, n in zip(ends, model.n_support_, strict=True)]
    weights = np.zeros((ends[-1], len(_pairs(model))))
    for column, (i, j) in enumerate(_pairs(model)):
        weights[rows[i], column] = model.dual_coef_[j - 1, rows[i]]
        weights[rows[j], column] = model.dual_coef_[i, rows[j]]
    return weights


def _scores(model: Any, decisions: Any) -> Any:
    """Votes of all pairs plus their confidences, which decide between equal votes."""
    import tensorflow as tf

    first, second = np.zeros((2, len(_pairs(model)), len(model.classes_)), np.float32)
    for row, (i, j) in enumerate(_pairs(model)):
        first[row, i], second[row, j] = 1, 1
    wins = tf.cast(decisions >= 0, tf.float32)
    votes = tf.matmul(wins, constant(first)) + tf.matmul(1 - wins, constant(second))
    confidence = tf.matmul(decisions, constant(first - second))
    scores = votes + confidence / (3 * (tf.abs(confidence) + 1))
    if model.break_ties:
        return scores
    chosen = tf.one_hot(tf.argmax(votes, axis=1, output_type=tf.int32), len(model.classes_))
    lifted = tf.reduce_max(scores, axis=1, keepdims=True) + LIFT
    return chosen * lifted + (1 - chosen) * scores


def _sums(model: Any, weights: Array, bias: Array) -> Step:
    """kernel(x, support vectors) @ weights + bias."""
    vectors = model.support_vectors_
    if model.kernel == "linear":
        return lambda x: affine(x, vectors.T @ weights, bias)
    return lambda x: affine(_kernel(model, x), weights, bias)


def _kernel(model: Any, x: Any) -> Any:
    """(N, vectors)."""
    import tensorflow as tf

    vectors, gamma = model.support_vectors_, model._gamma
    if model.kernel == "rbf":
        return _radial(x, vectors, gamma)
    product = affine(x, gamma * vectors.T, np.full(len(vectors), model.coef0))
    if model.kernel == "sigmoid":
        return tf.tanh(product)
    if model.kernel == "poly" and int(model.degree) == model.degree >= 1:
        result = product
        for _ in range(int(model.degree) - 1):
            result = result * product
        return result
    raise refuse(model, "with the kernels linear, poly, rbf and sigmoid")


def _radial(x: Any, vectors: Array, gamma: float) -> Any:
    """exp(-gamma |x - v|²), the square written out around the vectors' mean: less cancels there."""
    import tensorflow as tf

    centre = vectors.mean(axis=0).astype(np.float32)
    scale = np.sqrt(2 * gamma)
    near = (x - constant(centre)) * constant(scale)
    far = (vectors - centre) * scale
    halves = affine(near, far.T, -0.5 * (far**2).sum(axis=1))
    return tf.exp(halves - 0.5 * tf.reduce_sum(near * near, axis=1, keepdims=True))
