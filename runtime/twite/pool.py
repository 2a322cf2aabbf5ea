"""Who computes a request, and when: inline on the event loop, or in a thread with an interpreter.

A request waits in a bounded queue with a deadline. One that would wait longer than that is refused
at once, one whose client went away is never computed, and a thread may take several in one go
(twite/work.py). An interpreter has one owner: the event loop for the inline one, else its thread.
"""

import asyncio
from functools import partial
from math import ceil
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from twite.batching import measure_batch
from twite.errors import DeadlineExceeded, QueueFull, TwiteError
from twite.interpreters import Interpreters
from twite.model import Model
from twite.telemetry import Snapshot, Telemetry, snapshot
from twite.tensors import Tensors
from twite.work import Job, Outcome, Work, compute, count, settle

T = TypeVar("T")

INLINE_S = 200e-6
"""A model that infers faster than this runs inline: a thread hop costs 0.1 ms and more."""
INLINE_BYTES = 16 * 1024
CLOSE_S = 2.0
HELD_S, MOST_HELD = 0.015, 7
"""How long an answer may wait for those that its thread computes next, and for how many."""
LATEST = 0.5
"""The part of its deadline that a request may be expected to wait."""


class Limits(NamedTuple):
    """queue is how many requests may wait, deadline_s for how long.

    cores is what the interpreters may use; may_widen lets one of them use all while it is alone.
    batch is the most samples of one inference, None to measure what gains.
    """

    cores: int = 1
    queue: int = 256
    deadline_s: float = 30.0
    batch: int | None = None
    may_widen: bool = True


class Pool:
    """The interpreters of one model.

    The first one is verified here; others are made when requests wait, up to the limit. gate
    bounds how many models of a server compute at once, over all their interpreters.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits | None = None,
        telemetry: Telemetry | None = None,
        gate: Semaphore | None = None,
    ) -> None:
        """Replay the golden samples; raises VerificationFailed."""
        self.telemetry = telemetry or Telemetry()
        self.limits = limits = limits or Limits()
        self._model = model
        self._gate = gate
        self._service_s = model.replay()
        self.is_inline = self._service_s < INLINE_S
        self.batch = limits.batch or measure_batch(model, self._service_s)
        self._size = max(1, limits.cores // model.engine.threads)
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._pending = 0

    async def run(self, work: Work[T], deadline_s: float | None = None) -> T:
        """Compute work and return its answer.

        Raises QueueFull where it would wait too long, DeadlineExceeded where it did, and what the
        stages of the work raise. Cancelling drops what has not begun.
        """
        try:
            # What an accelerator may answer never runs inline: its process could be slow or hang.
            may_inline = self.is_inline and not self._model.engine.may_block
            if may_inline and work.size_bytes <= INLINE_BYTES:
                answer = self._inline(work)
            else:
                answer = await self._wait(self._submit(work, deadline_s or self.limits.deadline_s))
        except TwiteError as error:
            self.telemetry.request(error.status)
            raise
        except asyncio.CancelledError:
            self.telemetry.request(499)
            raise
        except Exception:
            self.telemetry.request(500)
            raise
        self.telemetry.request(200)
        return answer

    def _inline(self, work: Work[T]) -> T:
        tensors = work.decode()
        begin = perf_counter()
        outputs = self._model.infer(tensors)
        self.telemetry.inference(perf_counter() - begin, count(tensors))
        return work.answer(outputs)

    def _submit(self, work: Work[Any], deadline_s: float) -> Job:
        """Put work into the queue; raises QueueFull."""
        running = min(self._pending, self._size)
        waiting = self._pending - running
        wait_s = (waiting + 1) * self._service_s / self._size
        # The estimate lags behind when load rises: what is let in must make it all the same.
        is_late = waiting > 0 and wait_s > LATEST * deadline_s
        if waiting >= self.limits.queue or is_late:
            raise QueueFull(
                f"{waiting} requests wait already, about {wait_s:.2g} s of work; try again later"
            )
        loop = asyncio.get_running_loop()
        job = Job(work, loop.create_future())
        job.timer = loop.call_later(deadline_s, self._expire, job)
        self._pending += 1
        self.telemetry.load(self._pending, waiting)
        if self._pending > len(self._threads) < self._size:
            self._grow(loop)
        self._queue.put(job)
        return job

    async def _wait(self, job: Job) -> Any:
        try:
            return await job.future
        finally:
            if job.timer:
                job.timer.cancel()
            if job.work is not None:
                job.work = None
                self._pending -= 1
                self.telemetry.load(self._pending, max(0, self._pending - len(self._threads)))
            # An error that is raised here holds this frame, and the job's future the error.
            del job

    def _expire(self, job: Job) -> None:
        """The deadline has passed: nobody waits any longer, whether it waits or is computed."""
        if not job.future.done():
            waited_s = perf_counter() - job.submitted
            job.future.set_exception(
                DeadlineExceeded(f"no answer within {waited_s:.3g} s; the server has more to do")
            )

    def _grow(self, loop: "asyncio.AbstractEventLoop") -> None:
        name = f"twite-model-{len(self._threads)}"
        is_first = not self._threads
        # The event loop owns the first interpreter of a model that runs inline.
        narrow = self._model if is_first and not self.is_inline else None
        may_widen = is_first and self.limits.may_widen and self.limits.cores > 1
        own = Interpreters(self._model, narrow, may_widen=may_widen)
        thread = Thread(target=self._serve, args=(loop, own), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, loop: "asyncio.AbstractEventLoop", own: Interpreters) -> None:
        """A thread's work: own an interpreter, take what waits, compute and hand back."""
        while (job := self._queue.get()) is not None:
            jobs = [job, *self._more()]
            wanted = [each for each in jobs if each.work and not each.future.done()]
            if wanted:
                try:
                    self._compute(own.choose(alone=self._pending == 1), wanted, loop)
                except Exception as error:
                    _hand_back(loop, [(each, error) for each in wanted])
            if self._queue.empty():
                own.widen(self.limits.cores)

    def _more(self) -> list[Job]:
        """What is taken beside a job: for a batch, or to go through Python for several in one go.

        An inference leaves nothing of Python in the processor's caches: to answer two requests and
        read the next two takes little longer than one of each. A thread takes no more than its
        share, and lets no answer wait for long.
        """
        waiting, threads = self._queue.qsize(), len(self._threads)
        if self.batch > 1:
            most = min(ceil(waiting / threads), self.batch - 1)
        else:
            most = min((waiting + 1) // threads - 1, int(HELD_S / self._service_s), MOST_HELD)
        found: list[Job] = []
        while len(found) < most:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                self._queue.put(None)
                break
            found.append(job)
        return found

    def _compute(self, model: Model, jobs: list[Job], loop: "asyncio.AbstractEventLoop") -> None:
        begin = perf_counter()
        infer = partial(self._infer, model)
        for outcomes in compute(jobs, infer, self.telemetry, joins=self.batch > 1):
            _hand_back(loop, outcomes)
        self._service_s += 0.1 * ((perf_counter() - begin) / len(jobs) - self._service_s)

    def _infer(self, model: Model, tensors: Tensors) -> Tensors:
        begin = perf_counter()
        if self._gate is None:
            outputs = model.infer(tensors)
        else:
            with self._gate:
                outputs = model.infer(tensors)
        self.telemetry.inference(perf_counter() - begin, count(tensors))
        return outputs

    def telemetry_snapshot(self) -> Snapshot:
        """This process' own numbers."""
        return snapshot([self.telemetry.row])

    def close(self) -> None:
        """End the threads; what still waits is not computed."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(CLOSE_S)


def _hand_back(loop: "asyncio.AbstractEventLoop", outcomes: list[Outcome]) -> None:
    if outcomes and not loop.is_closed():
        loop.call_soon_threadsafe(settle, outcomes)
