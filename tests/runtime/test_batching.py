from pathlib import Path

import numpy as np

from twite import Model, load
from twite.batching import can_batch, join, measure_batch, split


def test_joins_and_splits_requests_of_different_sizes() -> None:
    requests = [{"x": np.full((n, 2), n, np.float32)} for n in (1, 3, 2)]
    joined = join(requests)
    assert joined is not None
    assert joined["x"].shape == (6, 2)
    for request, again in zip(requests, split(joined, (1, 3, 2)), strict=True):
        np.testing.assert_array_equal(request["x"], again["x"])


def test_what_differs_in_shape_or_dtype_is_not_joined() -> None:
    narrow, wide = np.zeros((1, 2), np.float32), np.zeros((1, 3), np.float32)
    assert join([{"x": narrow}, {"x": wide}]) is None
    assert join([{"x": narrow}, {"x": narrow.astype(np.int32)}]) is None


def test_a_batch_is_measured_where_the_model_takes_one(bundles: Path) -> None:
    model = Model(load(bundles / "iris"), 1)
    assert can_batch(model)
    assert measure_batch(model, 1.0) == 1, "batches of a second each would hold up the others"
    assert measure_batch(model, 1e-9) == 1, "batches that are slower gain nothing"
