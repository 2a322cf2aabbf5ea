"""A child process for a library that nobody trusts: messages with a deadline, and a sure end."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

TAIL_LINES = 40
BLOCK = 65536


class Late(Exception):
    """Nothing came within the deadline."""


class Child:
    """A Python process that runs `module` and speaks over two pipes.

    It gets plan as its first line, and answers with lines of JSON until it says that it is ready
    for bells. What it writes to its standard error is kept, the last lines of it. memory is a file
    descriptor that it inherits. on_end is called, in another thread, when it has ended.
    """

    def __init__(
        self,
        module: str,
        plan: Mapping[str, object],
        memory: int | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        requests, self._bell = os.pipe()
        self._replies, replies = os.pipe()
        passed = [requests, replies, *([memory] if memory is not None else [])]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, passed)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=passed,
            )
        except OSError:
            os.close(self._bell)
            os.close(self._replies)
            raise
        finally:
            os.close(requests)
            os.close(replies)
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        self._buffer = b""
        self._is_closed = False
        self.has_ended = False
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._on_end = on_end
        self._reader = threading.Thread(target=self._drain, name="twite-stderr", daemon=True)
        self._reader.start()
        # Where it has ended at once, whoever waits for its first message is told.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._bell, json.dumps(plan).encode() + b"\n")

    @property
    def pid(self) -> int:
        return self._process.pid

    def message(self, timeout_s: float) -> dict[str, Any] | None:
        """The next line of JSON, None when the child has ended; raises Late."""
        deadline = monotonic() + timeout_s
        while b"\n" not in self._buffer:
            block = self._read(max(0.0, deadline - monotonic()))
            if not block:
                return None
            self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def ring(self, timeout_s: float) -> bytes:
        """Ask for one call and wait: `.` when it was done, else why not; empty when it died."""
        try:
            os.write(self._bell, b"r")
        except BrokenPipeError:
            return b""
        return self._read(timeout_s)

    def _read(self, timeout_s: float) -> bytes:
        if not self._poll.poll(timeout_s * 1000):
            raise Late
        return os.read(self._replies, BLOCK)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """End the process whatever it does, and forget it."""
        if not self._is_closed:
            self._is_closed = True
            self._process.kill()
            self._process.wait()
            # A process that the library started may still hold the pipe: do not wait for that one.
            self._reader.join(1.0)
            os.close(self._bell)
            os.close(self._replies)

    def end(self, patience_s: float = 1.0) -> int:
        """The exit status of a process that is ending by itself; it is killed where it is not."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self._process.kill()
        self._reader.join(1.0)
        return int(self._process.wait())

    def tail(self) -> list[str]:
        return list(self._tail)

    def _drain(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            # A line without an end must not fill the memory.
            while line := stream.readline(4096):
                self._tail.append(line.decode("utf-8", "replace").rstrip())
        self.has_ended = True
        if self._on_end:
            self._on_end()


def spell_end(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended its process with status {status}"
    try:
        return f"crashed with {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
