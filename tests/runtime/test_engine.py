from pathlib import Path

import numpy as np
import pytest

from twite.engine import Engine
from twite.errors import EngineError


@pytest.fixture
def iris(bundles: Path) -> Engine:
    return Engine(bundles / "iris/model.tflite", threads=1)


ROWS = np.array([[5.1, 3.5, 0.2], [6.0, 2.9, 1.5], [6.9, 3.1, 2.3]], np.float32)


def test_names_tensors_by_the_signature(iris: Engine) -> None:
    assert [(spec.name, spec.dtype) for spec in iris.inputs] == [("features", "float32")]
    assert iris.inputs[0].shape == (-1, 3)


def test_applies_xnnpack(bundles: Path) -> None:
    assert Engine(bundles / "digits/model.tflite").xnnpack


def test_answers_any_batch_size_like_single_rows(iris: Engine) -> None:
    (output,) = iris.run({"features": ROWS}).values()
    singles = [next(iter(iris.run({"features": row[None]}).values())) for row in ROWS]
    np.testing.assert_allclose(output, np.concatenate(singles), atol=1e-6)


def test_answers_belong_to_the_caller(iris: Engine) -> None:
    first = next(iter(iris.run({"features": ROWS[:1]}).values()))
    before = first.copy()
    iris.run({"features": ROWS[2:]})
    assert (first == before).all()


def test_refuses_a_truncated_model(bundles: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes((bundles / "iris/model.tflite").read_bytes()[:200])
    with pytest.raises(EngineError, match=r"cannot load .*model\.tflite"):
        Engine(file)


def test_works_again_after_a_run_that_failed(iris: Engine) -> None:
    wanted = iris.run({"features": ROWS})
    with pytest.raises(EngineError, match="failed"):
        iris.run({"features": np.zeros((1, 7), np.float32)})
    again = iris.run({"features": ROWS})
    assert all((again[name] == wanted[name]).all() for name in wanted)
