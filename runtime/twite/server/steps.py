"""Coroutines whose first step is taken before there is a task."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, cast

from twite.server.exchange import Answer


@coroutine
def resume(started: Coroutine[Any, Any, Answer], waits_for: Any) -> Generator[Any, Any, Answer]:
    """Go on, as a task, with a coroutine whose first step has already been taken."""
    while True:
        try:
            yield waits_for
            break
        except (Exception, asyncio.CancelledError) as error:
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
