"""An endpoint's coroutine after its first step, taken from one future to the next.

In the place of a task, which costs the event loop one more pass and a coroutine around this one.
What is missing is asyncio.current_task: no endpoint may use asyncio.timeout.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from twite.server.exchange import Answer

log = logging.getLogger("twite")

Started = Coroutine[Any, Any, Answer]


class Steps:
    """Calls finish with the answer, None where there is none, but not once it is cancelled."""

    __slots__ = ("_coroutine", "_finish", "_is_cancelled", "_waits_for")

    def __init__(
        self, coroutine: Started, waits_for: Any, finish: Callable[[Answer | None], None]
    ) -> None:
        """waits_for is what the first step gave: a future, or None for the loop's next pass."""
        self._coroutine = coroutine
        self._finish = finish
        self._is_cancelled = False
        self._wait(waits_for)

    def cancel(self) -> None:
        """Raise CancelledError in the coroutine where it waits; what it answers is lost."""
        self._is_cancelled = True
        if self._waits_for is not None:
            self._waits_for.cancel()

    def _wait(self, waits_for: Any) -> None:
        self._waits_for = waits_for
        if waits_for is None:
            asyncio.get_running_loop().call_soon(self._step)
            return
        # A future asks whoever drives the coroutine to say that it has seen it.
        waits_for._asyncio_future_blocking = False
        waits_for.add_done_callback(self._step)
        if self._is_cancelled:
            waits_for.cancel()

    def _step(self, *_: object) -> None:
        # An error holds the frames that it went through, and they must not hold what brought it.
        del _
        self._waits_for = None
        answer: Answer | None = None
        try:
            waits_for = self._coroutine.send(None)
        except StopIteration as done:
            answer = done.value
        except asyncio.CancelledError:
            pass
        except Exception:
            log.exception("a request failed")
        else:
            self._wait(waits_for)
            return
        if not self._is_cancelled:
            self._finish(answer)
