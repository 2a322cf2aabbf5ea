"""Trees, forests and boosted trees: all trees walk down together, one level an iteration.

The nodes of all trees stand in one table. A node's children are neighbours, so that the next node
is `child + (x > threshold)`; a leaf is its own child behind a threshold that nothing exceeds.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from twite.tensors import Array
from twite_build.estimators.numbers import constant, rounded_down
from twite_build.estimators.refusal import Step, refuse


class Tree(NamedTuple):
    """One row a node; left and right are -1 in leaves; values are (nodes, outputs)."""

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    values: Array


class Table(NamedTuple):
    """The nodes of all trees; leaf numbers the rows of values, (leaves, outputs)."""

    roots: Array
    depth: int
    child: Array
    feature: Array
    threshold: Array
    missing_left: Array
    leaf: Array
    values: Array


def classifier(model: Any) -> Step:
    """The mean of the leaves' class shares."""
    trees = [plain_tree(tree, _shares) for tree in _trees(model)]
    if any(tree.values.shape[1] != len(model.classes_) for tree in trees):
        raise refuse(model, "with one class a sample")
    # Added up before they are divided: pure leaves then tie exactly where scikit-learn's do.
    step, count = _sum(table(trees)), constant(len(trees))
    return lambda x: step(x) / count


def regressor(model: Any) -> Step:
    trees = [plain_tree(tree, lambda value: value[:, :, 0]) for tree in _trees(model)]
    count = len(trees)
    mean = [tree._replace(values=tree.values / count) for tree in trees]
    step = total(mean, np.zeros(1))
    return (lambda x: step(x)[:, 0]) if model.n_outputs_ == 1 else step


def _trees(model: Any) -> list[Any]:
    return [one.tree_ for one in getattr(model, "estimators_", [model])]


def _shares(value: Array) -> Array:
    if value.shape[1] != 1:
        return np.zeros((len(value), 0))
    counts = value[:, 0, :]
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def plain_tree(tree: Any, read: Any) -> Tree:
    """Of a DecisionTree; read turns its values (nodes, outputs, classes) into (nodes, outputs)."""
    missing = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
    return Tree(
        tree.children_left,
        tree.children_right,
        tree.feature,
        tree.threshold,
        np.asarray(missing, np.bool_),
        read(tree.value),
    )


def total(trees: Sequence[Tree], start: Array) -> Step:
    """The sum of all trees' values plus start, (N, outputs).

    Every tree's mean goes into the start: what is left to add up in float32 is small.
    """
    means = [tree.values[tree.left < 0].mean(axis=0) for tree in trees]
    pairs = zip(trees, means, strict=True)
    step = _sum(table([tree._replace(values=tree.values - m) for tree, m in pairs]))
    offset = constant(start + np.sum(means, axis=0))
    return lambda x: step(x) + offset


def _sum(found: Table) -> Step:
    """Of groups, then of the groups' sums: fewer roundings pile up than in one long sum."""
    import tensorflow as tf

    count, outputs = len(found.roots), found.values.shape[1]
    groups = max(n for n in range(1, int(count**0.5) + 1) if count % n == 0)

    def run(x: Any) -> Any:
        leaves = tf.gather(tf.constant(found.leaf), walk(found, x))
        values = tf.gather(constant(found.values), leaves)
        grouped = tf.reshape(values, (-1, groups, count // groups, outputs))
        return tf.reduce_sum(tf.reduce_sum(grouped, axis=2), axis=1)

    return run


def table(trees: Sequence[Tree]) -> Table:
    """The trees in one table, breadth first, each node's children side by side."""
    rows: list[tuple[int, int, float, bool, int]] = []
    values: list[Array] = []
    roots, depth = [], 1
    for tree in trees:
        roots.append(len(rows))
        start, level, levels = len(rows), [0], 0
        while level:
            below = start + len(level)
            children: list[int] = []
            for number, node in enumerate(level):
                if tree.left[node] < 0:
                    rows.append((start + number, 0, np.inf, True, len(values)))
                    values.append(tree.values[node])
                else:
                    missing = bool(tree.missing_left[node])
                    where = below + len(children)
                    rows.append((where, int(tree.feature[node]), tree.threshold[node], missing, 0))
                    children += [int(tree.left[node]), int(tree.right[node])]
            start, level, levels = below, children, levels + 1
        depth = max(depth, levels - 1)
    child, feature, threshold, missing_left, leaf = zip(*rows, strict=True)
    whole = (np.asarray(column, np.int32) for column in (roots, child, feature, leaf))
    roots_, child_, feature_, leaf_ = whole
    return Table(
        roots_,
        depth,
        child_,
        feature_,
        rounded_down(threshold),
        np.asarray(missing_left, np.bool_),
        leaf_,
        np.stack(values),
    )


def walk(trees: Table, x: Any) -> Any:
    """(N, trees): the row of the leaf that each sample comes to."""
    import tensorflow as tf

    # The first level has the same node for all samples: no batch of indices is needed.
    seen = tf.gather(x, trees.feature[trees.roots], axis=1)
    threshold = constant(trees.threshold[trees.roots])
    node = _next(trees.child[trees.roots], seen, threshold, trees.missing_left[trees.roots])
    child, feature = tf.constant(trees.child), tf.constant(trees.feature)
    thresholds = constant(trees.threshold)
    for _ in range(trees.depth - 1):
        seen = tf.gather(x, tf.gather(feature, node), batch_dims=1)
        missing = _missing(trees, node)
        node = _next(tf.gather(child, node), seen, tf.gather(thresholds, node), missing)
    return node


def _missing(trees: Table, node: Any) -> Any:
    import tensorflow as tf

    if trees.missing_left.all():
        return np.True_
    return tf.gather(tf.constant(trees.missing_left), node)


def _next(child: Any, seen: Any, threshold: Any, missing_left: Any) -> Any:
    """The child that a sample goes to; what is not a number goes where training sent it."""
    import tensorflow as tf

    right = seen > threshold
    if not isinstance(missing_left, np.bool_):
        not_left = tf.logical_not(seen <= threshold)
        right = tf.logical_or(right, tf.logical_and(not_left, tf.logical_not(missing_left)))
    return child + tf.cast(right, tf.int32)
