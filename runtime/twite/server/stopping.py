"""When a server stops: on SIGTERM after a pause, on SIGINT without; a second one ends it."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger("twite")


class Stop:
    """A wish to stop, which may come before there is a loop to tell.

    pause_s is None until it comes, then how long the server should go on answering.
    """

    def __init__(self, when_asked: Callable[[], None]) -> None:
        self.pause_s: float | None = None
        self._when_asked = when_asked
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self, reason: str, pause_s: float) -> None:
        """Stop; safe in a signal handler."""
        if self.pause_s is None:
            log.info("%s: stopping after the requests in flight", reason)
            self.pause_s = pause_s
            self._when_asked()
            if self._loop:
                self._loop.call_soon_threadsafe(self._came.set)

    async def wait(self) -> float:
        """Wait for the wish; the pause in seconds."""
        self._came = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self.pause_s is None:
            await self._came.wait()
        return self.pause_s or 0.0


@contextmanager
def signals(stop: Stop, drain_pause_s: float) -> Iterator[None]:
    """SIGTERM and SIGINT ask to stop; the second of them does what it does by default."""

    def handle(number: int, frame: FrameType | None) -> None:
        for again in (signal.SIGTERM, signal.SIGINT):
            signal.signal(again, signal.SIG_DFL)
        name = signal.Signals(number).name
        stop.ask(name, drain_pause_s if number == signal.SIGTERM else 0.0)

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
