"""Who computes a request, and when: inline on the event loop, or in the model's own thread.

What an accelerator may answer never runs inline: its process could be slow or hang.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

from twite.model import Model
from twite.tensors import Tensors

T = TypeVar("T")

INLINE_S = 200e-6
"""A model that infers faster than this runs inline: a thread hop costs 0.1 ms and more."""
INLINE_BYTES = 16 * 1024


class Work(NamedTuple, Generic[T]):
    """A request in its stages, so that several can share one inference.

    decode gives the model's decoded inputs, answer takes its raw outputs; both run where the
    inference runs. size_bytes says how long decoding may take: much of it never runs inline.
    """

    decode: Callable[[], Tensors]
    answer: Callable[[Tensors], T]
    size_bytes: int


class Pool:
    """The interpreters of one model.

    One thread owns the interpreter. Inline work runs only while that thread has none, so that it
    never has two owners.
    """

    def __init__(self, model: Model) -> None:
        """Replay the golden samples; raises VerificationFailed."""
        self._model = model
        self._is_fast = model.replay() < INLINE_S
        self._pending = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="twite-model")

    async def run(self, work: Work[T]) -> T:
        """Compute work and return its answer."""
        is_inline = self._is_fast and not self._model.engine.may_block
        if is_inline and self._pending == 0 and work.size_bytes <= INLINE_BYTES:
            return self._compute(work)
        self._pending += 1
        job = self._thread.submit(self._compute, work)
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._finish, job))
        return await asyncio.wrap_future(job)

    def _compute(self, work: Work[T]) -> T:
        return work.answer(self._model.infer(work.decode()))

    def _finish(self, job: "Future[T]") -> None:
        self._pending -= 1

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
