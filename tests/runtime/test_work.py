"""What a thread does with the requests that it took in one go."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from twite.errors import EngineError, RequestError
from twite.telemetry import Telemetry
from twite.tensors import Tensors
from twite.work import Job, Outcome, Work, compute, settle


class Turn:
    """Requests by the number that they send; each step is told in `steps`."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.loop = asyncio.new_event_loop()

    def job(self, number: float, samples: int = 1) -> Job:
        def decode() -> Tensors:
            self.steps.append(f"decode {number:g}")
            if number < 0:
                raise RequestError(f"{number:g} is below zero")
            return {"x": np.full((samples, 1), number, np.float32)}

        def answer(outputs: Tensors) -> float:
            found = float(outputs["y"][0, 0])
            self.steps.append(f"answer {found:g}")
            return found

        return Job(Work(decode, answer, 0), self.loop.create_future())

    def infer(self, tensors: Tensors) -> Tensors:
        numbers = tensors["x"]
        self.steps.append("infer " + " ".join(f"{number:g}" for number in numbers[:, 0]))
        if (numbers == 13).any():
            raise EngineError("13 is too much")
        return {"y": numbers * 2}

    def compute(self, jobs: list[Job], *, joins: bool = False) -> Iterator[list[Outcome]]:
        return compute(jobs, self.infer, Telemetry(), joins=joins)


@pytest.fixture
def turn() -> Iterator[Turn]:
    found = Turn()
    yield found
    found.loop.close()


def told(outcomes: list[Outcome]) -> list[object]:
    return [str(each) if isinstance(each, Exception) else each for _, each in outcomes]


def test_each_has_an_inference_and_they_are_answered_together(turn: Turn) -> None:
    (outcomes,) = turn.compute([turn.job(1), turn.job(2), turn.job(3)])
    assert told(outcomes) == [2.0, 4.0, 6.0]
    assert turn.steps == [
        *("decode 1", "decode 2", "decode 3"),
        *("infer 1", "infer 2", "infer 3"),
        *("answer 2", "answer 4", "answer 6"),
    ]


def test_none_waits_for_one_of_many_samples(turn: Turn) -> None:
    jobs = [turn.job(5, samples=3), turn.job(1), turn.job(2), turn.job(7, samples=2)]
    done: list[object] = []
    for outcomes in turn.compute(jobs):
        done.append((told(outcomes), turn.steps[-1]))
    assert done == [([2.0, 4.0], "answer 4"), ([14.0], "answer 14"), ([10.0], "answer 10")]
    assert turn.steps.index("answer 4") < turn.steps.index("infer 7 7")


def test_what_nobody_wants_by_then_is_not_computed(turn: Turn) -> None:
    first, left = turn.job(1), turn.job(2)
    work = first.work
    assert work

    def leaving() -> Tensors:
        left.future.cancel()
        return work.decode()

    first.work = work._replace(decode=leaving)
    (outcomes,) = turn.compute([first, left])
    assert told(outcomes) == [2.0]
    assert "infer 2" not in turn.steps


@pytest.mark.parametrize("joins", [False, True])
def test_a_bad_one_spoils_only_itself(turn: Turn, joins: bool) -> None:
    refused, others = turn.compute(
        [turn.job(1), turn.job(-1), turn.job(13), turn.job(2)], joins=joins
    )
    assert told(refused) == ["-1 is below zero"]
    assert told(others) == [2.0, "13 is too much", 4.0]


def test_those_that_gain_by_it_share_an_inference(turn: Turn) -> None:
    (outcomes,) = turn.compute([turn.job(1), turn.job(2, samples=2)], joins=True)
    assert told(outcomes) == [2.0, 4.0]
    assert [step for step in turn.steps if step.startswith("infer")] == ["infer 1 2 2"]


def test_an_answer_that_cannot_be_written_is_its_own_error(turn: Turn) -> None:
    job, fine = turn.job(1), turn.job(2)

    def fails(outputs: Tensors) -> None:
        raise RequestError("NaN")

    assert job.work
    job.work = job.work._replace(answer=fails)
    (outcomes,) = turn.compute([job, fine])
    assert told(outcomes) == ["NaN", 4.0]


def test_settling_leaves_those_alone_that_are_done(turn: Turn) -> None:
    jobs = [turn.job(1), turn.job(2), turn.job(3)]
    jobs[1].future.cancel()
    settle(list(zip(jobs, ["a", "b", RequestError("c")], strict=True)))
    futures: list[asyncio.Future[Any]] = [job.future for job in jobs]
    assert futures[0].result() == "a"
    assert futures[1].cancelled()
    assert str(futures[2].exception()) == "c"
