"""Multi-layer perceptrons."""

from typing import Any

from twite_build.estimators.numbers import affine
from twite_build.estimators.refusal import Step, refuse


def classifier(model: Any) -> Step:
    """Probabilities (N, classes)."""
    import tensorflow as tf

    if model.out_activation_ == "logistic" and model.n_outputs_ > 1:
        raise refuse(model, "with one class a sample")

    def run(x: Any) -> Any:
        found = _layers(model, x)
        if model.out_activation_ == "softmax":
            return tf.nn.softmax(found)
        return tf.sigmoid(tf.concat([-found, found], axis=1))

    return run


def regressor(model: Any) -> Step:
    if model.out_activation_ != "identity":
        raise refuse(model, "with squared errors")

    def run(x: Any) -> Any:
        found = _layers(model, x)
        return found[:, 0] if model.n_outputs_ == 1 else found

    return run


def _layers(model: Any, x: Any) -> Any:
    """Up to the last layer's sum, before its activation."""
    import tensorflow as tf

    activations = {
        "identity": tf.identity,
        "logistic": tf.sigmoid,
        "tanh": tf.tanh,
        "relu": tf.nn.relu,
    }
    last = len(model.coefs_) - 1
    for i, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        x = affine(x, weights, bias)
        x = x if i == last else activations[model.activation](x)
    return x
