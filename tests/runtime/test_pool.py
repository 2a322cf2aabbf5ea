"""The pool: work that blocks on an event stands for a slow model, so that nothing is timed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite import Model, load
from twite.errors import DeadlineExceeded, QueueFull, RequestError
from twite.pool import INLINE_BYTES, Limits, Pool
from twite.tensors import Tensors
from twite.work import Job, Outcome, Work, compute

PATIENCE_S = 60.0
BIG = INLINE_BYTES + 1


class Blocked:
    """Work that holds its interpreter until it is released."""

    def __init__(self, inner: Work[Tensors]) -> None:
        self.started, self.released = threading.Event(), threading.Event()
        self._inner = inner

    def work(self) -> Work[Tensors]:
        def decode() -> Tensors:
            self.started.set()
            assert self.released.wait(PATIENCE_S)
            return self._inner.decode()

        return Work(decode, self._inner.answer, BIG)


@pytest.fixture
def model(bundles: Path) -> Model:
    return Model(load(bundles / "iris"), 1)


def asking(model: Model, row: float, *, size_bytes: int = BIG) -> Work[Tensors]:
    spec = model.manifest.inputs[0]
    values = np.full((1, *spec.shape[1:]), row, spec.dtype)
    return Work(lambda: {spec.name: values}, lambda outputs: outputs, size_bytes)


def using(pool: Pool, story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await asyncio.wait_for(story(), PATIENCE_S)

    try:
        asyncio.run(whole())
    finally:
        pool.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def waiting(pool: Pool, model: Model, *works: Work[Tensors]) -> list[Any]:
    """What comes of works that all wait when their thread becomes free, errors too."""
    block = Blocked(asking(model, 0.0))
    first = asyncio.ensure_future(pool.run(block.work()))
    await until(block.started.is_set)
    others = [asyncio.ensure_future(pool.run(work)) for work in works]
    await asyncio.sleep(0)
    block.released.set()
    await first
    return await asyncio.gather(*others, return_exceptions=True)


def test_a_fast_model_answers_on_the_event_loop(model: Model) -> None:
    pool = Pool(model)
    threads = []

    async def story() -> None:
        inner = asking(model, 1.0, size_bytes=10)
        for size in (10, BIG):

            def decode() -> Tensors:
                threads.append(threading.current_thread())
                return inner.decode()

            await pool.run(Work(decode, inner.answer, size))

    pool.is_inline = True
    using(pool, story)
    assert threads[0] is threading.main_thread()
    assert threads[1] is not threading.main_thread()


def test_refuses_what_the_queue_does_not_hold(model: Model) -> None:
    pool = Pool(model, Limits(queue=1))
    block = Blocked(asking(model, 1.0))

    async def story() -> None:
        first = asyncio.ensure_future(pool.run(block.work()))
        await until(block.started.is_set)
        second = asyncio.ensure_future(pool.run(asking(model, 2.0)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="1 requests wait already"):
            await pool.run(asking(model, 3.0))
        block.released.set()
        await asyncio.gather(first, second)

    using(pool, story)


def test_refuses_at_once_what_would_wait_longer_than_its_deadline(model: Model) -> None:
    pool = Pool(model)
    pool._service_s = 10.0
    block = Blocked(asking(model, 1.0))

    async def story() -> None:
        first = asyncio.ensure_future(pool.run(block.work()))
        await until(block.started.is_set)
        second = asyncio.ensure_future(pool.run(asking(model, 2.0), 1000.0))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="about 20 s of work"):
            await pool.run(asking(model, 3.0), 30.0)
        block.released.set()
        await asyncio.gather(first, second)

    using(pool, story)


def test_a_deadline_that_passes_in_the_queue_is_told_and_nothing_computed(model: Model) -> None:
    pool = Pool(model)
    block, late = Blocked(asking(model, 1.0)), Blocked(asking(model, 2.0))

    async def story() -> None:
        first = asyncio.ensure_future(pool.run(block.work()))
        await until(block.started.is_set)
        with pytest.raises(DeadlineExceeded, match="no answer within"):
            await pool.run(late.work(), 0.05)
        block.released.set()
        await first
        await pool.run(asking(model, 3.0))

    using(pool, story)
    assert not late.started.is_set()


def test_cancelled_work_is_never_computed(model: Model) -> None:
    pool = Pool(model, Limits(queue=2))
    block, unwanted = Blocked(asking(model, 1.0)), Blocked(asking(model, 2.0))

    async def story() -> None:
        first = asyncio.ensure_future(pool.run(block.work()))
        await until(block.started.is_set)
        for _ in range(50):
            task = asyncio.ensure_future(pool.run(unwanted.work()))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        block.released.set()
        await first
        await pool.run(asking(model, 3.0))

    using(pool, story)
    assert not unwanted.started.is_set()


def test_what_waits_together_shares_an_inference(model: Model) -> None:
    pool = Pool(model, Limits(batch=8))
    works = [asking(model, row) for row in range(1, 6)]
    alone = [model.infer(work.decode()) for work in works]
    found: list[Tensors] = []

    async def story() -> None:
        found.extend(await waiting(pool, model, *works))

    using(pool, story)
    assert pool.telemetry_snapshot().batch.counts == (1, 0, 0, 1, 0, 0)
    for one, together in zip(alone, found, strict=True):
        for name, values in one.items():
            np.testing.assert_allclose(together[name], values, rtol=0.02)


@pytest.mark.parametrize(("service_s", "turns"), [(1e-6, [5]), (1.0, [1] * 5)])
def test_a_thread_takes_what_waits_where_that_is_short(
    model: Model, monkeypatch: pytest.MonkeyPatch, service_s: float, turns: list[int]
) -> None:
    pool = Pool(model, Limits(batch=1))
    found: list[int] = []

    def counted(jobs: list[Job], *rest: Any, **more: Any) -> Iterator[list[Outcome]]:
        found.append(len(jobs))
        pool._service_s = service_s
        return compute(jobs, *rest, **more)

    monkeypatch.setattr("twite.pool.compute", counted)

    async def story() -> None:
        answers = await waiting(pool, model, *(asking(model, row) for row in range(1, 6)))
        assert all(isinstance(answer, dict) for answer in answers)

    using(pool, story)
    assert found == [1, *turns]


def test_a_bad_request_in_a_batch_spoils_only_itself(model: Model) -> None:
    pool = Pool(model, Limits(batch=8))

    def broken() -> Tensors:
        raise RequestError("features is nonsense")

    async def story() -> None:
        bad: Work[Tensors] = Work(broken, lambda outputs: outputs, BIG)
        *good, error = await waiting(pool, model, asking(model, 1), asking(model, 2), bad)
        assert all(isinstance(answer, dict) for answer in good)
        assert isinstance(error, RequestError)
        assert "nonsense" in str(error)

    using(pool, story)
    assert pool.telemetry_snapshot().requests == {200: 3, 400: 1}


def test_a_second_interpreter_works_while_the_first_is_held(model: Model) -> None:
    pool = Pool(model, Limits(cores=2))
    block = Blocked(asking(model, 1.0))

    async def story() -> None:
        first = asyncio.ensure_future(pool.run(block.work()))
        await until(block.started.is_set)
        await pool.run(asking(model, 2.0))
        assert not first.done()
        block.released.set()
        await first

    using(pool, story)


def test_a_request_that_is_alone_gets_the_wide_interpreter(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twite.interpreters.WIDE_FROM_S", 0.0)
    monkeypatch.setattr("twite.interpreters.LEAST_GAIN", 0.0)
    from twite.interpreters import Interpreters

    own = Interpreters(model, model, may_widen=True)
    assert own.choose(alone=True) is model
    own.widen(2)
    assert own.choose(alone=True).engine.threads == 2
    assert own.choose(alone=False) is model


def test_closing_ends_the_threads(model: Model) -> None:
    before = threading.active_count()
    pool = Pool(model, Limits(cores=2))

    async def story() -> None:
        await asyncio.gather(*(pool.run(asking(model, row)) for row in range(8)))

    using(pool, story)
    assert threading.active_count() == before
