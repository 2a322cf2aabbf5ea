"""A request as work in stages, and how a thread computes what it took from the queue.

Where batches gain, what was taken shares an inference. Where they do not, each has its own, one
after the other, and the answers are held until all are there.
"""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from twite.batching import join, split
from twite.errors import EngineError, TwiteError
from twite.telemetry import Telemetry
from twite.tensors import Tensors

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

Infer = Callable[[Tensors], Tensors]


class Work(NamedTuple, Generic[T]):
    """A request in its stages, so that several can share one inference.

    decode gives the model's decoded inputs, answer takes its raw outputs; both run where the
    inference runs. size_bytes says how long decoding may take: much of it never runs inline.
    """

    decode: Callable[[], Tensors]
    answer: Callable[[Tensors], T]
    size_bytes: int


class Job:
    """A request in the queue; work is None once nobody wants the answer."""

    __slots__ = ("future", "submitted", "timer", "work")

    def __init__(self, work: Work[Any], future: "asyncio.Future[Any]") -> None:
        self.work: Work[Any] | None = work
        self.future = future
        self.submitted = perf_counter()
        self.timer: asyncio.TimerHandle | None = None


Outcome = tuple[Job, object]
"""An answer, or the exception in its place."""

Decoded = tuple[Job, Work[Any], Tensors]


def compute(
    jobs: Sequence[Job], infer: Infer, telemetry: Telemetry, *, joins: bool
) -> Iterator[list[Outcome]]:
    """What comes of each job; joins where several may share an inference."""
    begin = perf_counter()
    refused: list[Outcome] = []
    decoded: list[Decoded] = []
    for job in jobs:
        telemetry.queued(begin - job.submitted)
        work = job.work
        if work is None:
            continue
        try:
            decoded.append((job, work, work.decode()))
        except Exception as error:
            refused.append((job, _bare(error)))
    if refused:
        yield refused
    joined = _together(decoded, infer) if joins and len(decoded) > 1 else None
    if joined is None:
        yield from _in_turn(decoded, infer)
    else:
        yield joined


def settle(outcomes: Sequence[Outcome]) -> None:
    """Give the jobs their outcomes, on the event loop that they came from."""
    for job, outcome in outcomes:
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)


def count(tensors: Tensors) -> int:
    """The samples of a request: the first dimension, 1 for a model without one."""
    for array in tensors.values():
        return len(array) if array.ndim else 1
    return 1


def _together(decoded: Sequence[Decoded], infer: Infer) -> list[Outcome] | None:
    """All of them in one inference; None where that cannot be."""
    tensors = join([each for _, _, each in decoded])
    if tensors is None:
        return None
    try:
        outputs = split(infer(tensors), [count(each) for _, _, each in decoded])
    except EngineError:
        # One of them may have broken it for all: each gets its own answer or error.
        return None
    pairs = zip(decoded, outputs, strict=True)
    return [(job, _answer(work, found)) for (job, work, _), found in pairs]


def _in_turn(decoded: list[Decoded], infer: Infer) -> Iterator[list[Outcome]]:
    """An inference each. Answers are held until all are there, but not for one of many samples.

    Nobody may want one any more when its turn comes.
    """
    if len(decoded) > 1:
        decoded.sort(key=lambda each: count(each[2]))
    held: list[tuple[Job, Work[Any], Tensors | Exception]] = []
    for job, work, tensors in decoded:
        if held and count(tensors) > 1:
            yield [(job, _answer(work, found)) for job, work, found in held]
            held = []
        if not job.future.done():
            held.append((job, work, _outputs(infer, tensors)))
    if held:
        yield [(job, _answer(work, found)) for job, work, found in held]


def _outputs(infer: Infer, tensors: Tensors) -> Tensors | Exception:
    try:
        return infer(tensors)
    except Exception as error:
        return _bare(error)


def _answer(work: Work[Any], outputs: Tensors | Exception) -> object:
    if isinstance(outputs, Exception):
        return outputs
    try:
        return work.answer(outputs)
    except Exception as error:
        return _bare(error)


def _bare(error: Exception) -> Exception:
    """A refusal without the frames that raised it, which hold the request and what was parsed.

    They would hold the refusal too, and all of it would wait for the garbage collector.
    """
    if isinstance(error, TwiteError):
        error.__cause__ = error.__context__ = error.__traceback__ = None
    return error
