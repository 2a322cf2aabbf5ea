"""Coroutines whose first step is taken before there is a task."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, cast

from twite.server.exchange import Answer


async def resume(started: Coroutine[Any, Any, Answer], waits_for: Any) -> Answer:
    """Go on, as a task, with a coroutine whose first step gave what it waits for.

    No frame here holds that any longer than it is waited for: an error that it brings holds the
    frames, and would wait with the request for the garbage collector.
    """
    rest = _rest_of(started, waits_for)
    del waits_for
    return await rest


@coroutine
def _rest_of(started: Coroutine[Any, Any, Answer], waits_for: Any) -> Generator[Any, Any, Answer]:
    while True:
        try:
            yield waits_for
            break
        except (Exception, asyncio.CancelledError) as error:
            waits_for = None
            try:
                waits_for = started.throw(error)
            except StopIteration as done:
                return cast(Answer, done.value)
    return (yield from cast(Generator[Any, Any, Answer], started))


def forget(started: Coroutine[Any, Any, Answer], task: "asyncio.Task[Answer]") -> None:
    """See an abandoned task to its end."""
    if not task.cancelled():
        # Fetched, or asyncio would complain that nobody did.
        task.exception()
        return
    # A task that is cancelled before its first step never tells what it was to go on with.
    try:
        started.throw(asyncio.CancelledError())
        started.close()
    except (Exception, asyncio.CancelledError):
        return
