"""What a child says to the process that started it."""

import json
import os
import resource
import select
import signal
import threading
from collections.abc import Mapping
from typing import Any


class Speaker:
    """Lines of JSON; the process ends when nobody listens."""

    def __init__(self, replies: int) -> None:
        self._replies = replies

    def stage(self, name: str) -> None:
        """What is done next: when nothing follows, that hangs or has crashed."""
        self.say({"stage": name})

    def say(self, message: Mapping[str, object]) -> None:
        try:
            os.write(self._replies, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            os._exit(0)


def read_plan(requests: int) -> dict[str, Any]:
    """The first line of requests. A crash that is expected leaves no core file behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(requests, 1)
        if not byte:
            os._exit(0)
        line += byte
    plan: dict[str, Any] = json.loads(line)
    return plan


def arm(seconds: float) -> None:
    """Be ended by the kernel after so long: a library that hangs may hold Python's lock.

    The parent ends a child that hangs; this is for the child whose parent has died.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)


def end_with_parent(requests: int) -> None:
    """End this process once the other end of the pipe is closed, even while a call hangs."""

    def watch() -> None:
        poll = select.poll()
        poll.register(requests, 0)
        poll.poll()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
