"""Gradient boosting, the plain and the histogram kind."""

from typing import Any

import numpy as np

from twite.tensors import Array
from twite_build.estimators.refusal import Step, refuse
from twite_build.estimators.trees import Tree, plain_tree, total


def classifier(model: Any) -> Step:
    """Probabilities from the sums: a sigmoid of one, a softmax of many."""
    import tensorflow as tf

    step = _sums(model)
    factor = 2.0 if getattr(model, "loss", None) == "exponential" else 1.0

    def run(x: Any) -> Any:
        found = step(x)
        if found.shape[1] == 1:
            return tf.sigmoid(factor * tf.concat([-found, found], axis=1))
        return tf.nn.softmax(found)

    return run


def regressor(model: Any) -> Step:
    """Sums; their exponential where the loss works on logarithms."""
    import tensorflow as tf

    step = _sums(model)
    is_logarithm = getattr(model, "loss", None) in ("poisson", "gamma")
    return lambda x: tf.exp(step(x)[:, 0]) if is_logarithm else step(x)[:, 0]


def _sums(model: Any) -> Step:
    if hasattr(model, "_predictors"):
        return _histogram(model)
    if model.init_ != "zero" and not type(model.init_).__name__.startswith("Dummy"):
        raise refuse(model, "without an estimator of its own as init")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    trees = []
    for stage in model.estimators_:
        for column, one in enumerate(stage):
            tree = plain_tree(one.tree_, lambda value: value[:, :, 0])
            trees.append(_in_column(tree, column, len(start), model.learning_rate))
    return total(trees, start)


def _histogram(model: Any) -> Step:
    start = np.ravel(model._baseline_prediction)
    trees = []
    for stage in model._predictors:
        for column, one in enumerate(stage):
            nodes, is_leaf = one.nodes, one.nodes["is_leaf"].astype(np.bool_)
            if nodes["is_categorical"].any():
                raise refuse(model, "without categorical features")
            tree = Tree(
                np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
                np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
                nodes["feature_idx"],
                nodes["num_threshold"],
                nodes["missing_go_to_left"].astype(np.bool_),
                nodes["value"][:, None],
            )
            trees.append(_in_column(tree, column, len(start), 1.0))
    return total(trees, start)


def _in_column(tree: Tree, column: int, count: int, factor: float) -> Tree:
    """The tree's single value in the column of its class, zeros in the others."""
    values: Array = np.zeros((len(tree.values), count))
    values[:, column] = factor * tree.values[:, 0]
    return tree._replace(values=values)
