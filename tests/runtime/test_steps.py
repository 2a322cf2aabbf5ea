"""An endpoint's coroutine without a task: it waits, fails and is cancelled as in one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from twite.server.exchange import Answer
from twite.server.steps import Steps

Endpoint = Callable[["asyncio.Future[bytes]"], Coroutine[Any, Any, Answer]]


async def answers(future: "asyncio.Future[bytes]") -> Answer:
    return Answer(200, await future)


async def waits_often(future: "asyncio.Future[bytes]") -> Answer:
    first = await future
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    waits: list[Awaitable[bytes]] = [asyncio.sleep(0, b"b"), answers_bytes()]
    return Answer(200, b"".join([first, *await asyncio.gather(*waits)]))


async def answers_bytes() -> bytes:
    return b"c"


def run(endpoint: Endpoint, *acts: Callable[["asyncio.Future[bytes]", Steps], object]) -> list[Any]:
    """What the endpoint finished with, once for each time, after acts of one pass each."""

    async def ran() -> list[Any]:
        finished: list[Any] = []
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        coroutine = endpoint(future)
        steps = Steps(coroutine, coroutine.send(None), finished.append)
        for act in acts:
            act(future, steps)
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        return finished

    return asyncio.run(ran())


def brings(future: "asyncio.Future[bytes]", steps: Steps) -> None:
    future.set_result(b"a")


def fails(future: "asyncio.Future[bytes]", steps: Steps) -> None:
    future.set_exception(OSError("gone"))


def is_cancelled(future: "asyncio.Future[bytes]", steps: Steps) -> None:
    future.cancel()


def cancels(future: "asyncio.Future[bytes]", steps: Steps) -> None:
    steps.cancel()


def brings_and_cancels(future: "asyncio.Future[bytes]", steps: Steps) -> None:
    future.set_result(b"a")
    steps.cancel()


def test_goes_on_with_what_was_waited_for() -> None:
    assert run(answers, brings) == [Answer(200, b"a")]
    assert run(waits_often, brings) == [Answer(200, b"abc")]


def test_a_failure_is_no_answer_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "twite"):
        assert run(answers, fails) == [None]
    assert "OSError: gone" in caplog.text


def test_what_it_waits_for_is_cancelled_by_another() -> None:
    assert run(answers, is_cancelled) == [None]


@pytest.mark.parametrize("act", [cancels, brings_and_cancels])
@pytest.mark.parametrize("endpoint", [answers, waits_often])
def test_a_cancelled_one_never_finishes(endpoint: Endpoint, act: Any) -> None:
    seen: list[str] = []

    async def watched(future: "asyncio.Future[bytes]") -> Answer:
        try:
            return await endpoint(future)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    assert run(watched, act) == []
    # An answer that had come already is computed to its end, where nothing more is waited for.
    is_done = act is brings_and_cancels and endpoint is answers
    assert seen == ([] if is_done else ["cancelled"])
