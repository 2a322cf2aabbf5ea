"""Linear models, discriminants and naive Bayes: classifiers' scores, regressors' values."""

from typing import Any

import numpy as np

from twite.tensors import Array
from twite_build.estimators.numbers import affine, constant
from twite_build.estimators.refusal import Step, refuse


def values(model: Any) -> Step:
    """(N,) as fitted on (N,) targets, otherwise (N, targets)."""
    coefficients = np.asarray(model.coef_, np.float64)
    is_flat = coefficients.ndim == 1 or (np.ndim(model.intercept_) == 0 and len(coefficients) == 1)
    weights = np.atleast_2d(coefficients).T
    bias = np.broadcast_to(np.asarray(model.intercept_, np.float64), weights.shape[1:])

    def run(x: Any) -> Any:
        found = affine(x, weights, bias)
        return found[:, 0] if is_flat and weights.shape[1] == 1 else found

    return run


def scores(model: Any) -> Step:
    """One score a class; a binary model's single score d becomes -d and d."""
    weights = np.atleast_2d(np.asarray(model.coef_, np.float64)).T
    bias = np.broadcast_to(np.asarray(model.intercept_, np.float64), weights.shape[1:])
    if weights.shape[1] == 1:
        weights, bias = np.hstack([-weights, weights]), np.concatenate([-bias, bias])
    return lambda x: affine(x, weights, bias)


def logistic(model: Any) -> Step:
    """Probabilities: a softmax over classes, or one sigmoid a class, normalized."""
    return probabilities(scores(model), is_softmax=_is_multinomial(model))


def _is_multinomial(model: Any) -> bool:
    if len(model.classes_) == 2:
        return False
    is_one_by_one = getattr(model, "multi_class", None) == "ovr" or model.solver == "liblinear"
    return not is_one_by_one


def discriminant(model: Any) -> Step:
    return probabilities(scores(model), is_softmax=len(model.classes_) > 2)


def probabilities(step: Step, *, is_softmax: bool) -> Step:
    """Scores to probabilities; the sigmoids of -d and d of two classes add up to 1."""
    import tensorflow as tf

    def run(x: Any) -> Any:
        found = step(x)
        if is_softmax:
            return tf.nn.softmax(found)
        shares = tf.sigmoid(found)
        if found.shape[1] == 2:
            return shares
        return shares / tf.reduce_sum(shares, axis=1, keepdims=True)

    return run


def gaussian(model: Any) -> Step:
    """Gaussian naive Bayes: the likelihoods' logarithms, then a softmax."""
    import tensorflow as tf

    prior = np.log(model.class_prior_) - 0.5 * np.log(2 * np.pi * model.var_).sum(axis=1)

    def run(x: Any) -> Any:
        from_mean = x[:, None, :] - constant(model.theta_[None])
        weighted = from_mean * from_mean * constant(0.5 / model.var_[None])
        return tf.nn.softmax(constant(prior) - tf.reduce_sum(weighted, axis=2))

    return run


def multinomial(model: Any) -> Step:
    return _likelihood(model.feature_log_prob_.T, model.class_log_prior_)


def bernoulli(model: Any) -> Step:
    import tensorflow as tf

    if model.binarize is None:
        raise refuse(model, "with a threshold (binarize)")
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    step = _likelihood(
        (model.feature_log_prob_ - absent).T, model.class_log_prior_ + absent.sum(axis=1)
    )
    return lambda x: step(tf.cast(x > float(model.binarize), tf.float32))


def _likelihood(weights: Array, bias: Array) -> Step:
    import tensorflow as tf

    return lambda x: tf.nn.softmax(affine(x, weights, bias))
