"""Latency is taken with the cores that the server would take."""

from pathlib import Path
from typing import Any

import pytest

from twite.engine import Engine
from twite_build.verification import timing


@pytest.mark.parametrize(
    ("wide_from_s", "cores"),
    [(60.0, [1, 1]), (0.0, [1, None, 1, None])],
    ids=["a fast model gets one", "a slow one gets all"],
)
def test_cores_of_a_timed_engine(
    trained: Any, monkeypatch: pytest.MonkeyPatch, wide_from_s: float, cores: list[int | None]
) -> None:
    asked: list[int | None] = []

    class Seen(Engine):
        def __init__(
            self, model_path: Path, threads: int | None = None, signature: str | None = None
        ) -> None:
            asked.append(threads)
            super().__init__(model_path, threads, signature)

    monkeypatch.setattr(timing, "Engine", Seen)
    monkeypatch.setattr(timing, "WIDE_FROM_S", wide_from_s)
    source = trained.folder / "slope"
    model = str(source / "fp32.tflite")
    samples = str(source / "preprocessed.npz")
    told = timing.time_in_child({"models": [model, model], "samples": samples, "signature": None})
    assert asked == cores
    assert all(0 < median <= p99 for median, p99 in told["latencies"])
