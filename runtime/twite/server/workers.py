"""Several processes on one port: a parent that holds no model starts, watches and stops them.

A worker is forked before anything heavy is imported, so each has an engine of its own. Parent and
worker share a pair of sockets: the worker says when it is ready, the parent when to stop, and
whichever ends closes its end. So a worker never outlives its parent, and signals that reach the
whole group (a terminal's Ctrl-C, systemd) count once.
"""

import logging
import os
import select
import signal
import socket
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

from twite.errors import ChildFailed
from twite.server.listener import bind
from twite.settings import Settings
from twite.telemetry import Ledger

if TYPE_CHECKING:
    from twite.server.stopping import Stop

log = logging.getLogger("twite")

READY, PAUSE_AND_STOP, STOP = b"R", b"T", b"I"

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
HEALTHY_S = 60.0
"""A worker that lived so long is started again as if it were the first time."""

PATIENCE_S = 10.0
"""How long after its drain a worker may still be there before it is killed."""


class Worker:
    """A worker's side: its number from 0, the numbers of all, and the socket to its parent.

    listens_late says that others answer already: nobody need be told here that the model loads.
    """

    def __init__(
        self, number: int, ledger: Ledger, parent: socket.socket, *, listens_late: bool = False
    ) -> None:
        self.number = number
        self.listens_late = listens_late
        self.ledger = ledger
        self._parent = parent

    def obey(self, stop: "Stop", drain_pause_s: float) -> None:
        """Stop when the parent says so or is gone."""
        import asyncio

        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                order = self._parent.recv(1)
            except OSError:
                # It died without reading what this worker sent: a reset comes before the end.
                order = b""
            if not order:
                loop.remove_reader(self._parent)
            reason = f"worker {self.number}" if order else "the parent process is gone"
            stop.ask(reason, drain_pause_s if order == PAUSE_AND_STOP else 0.0)

        loop.add_reader(self._parent, read)

    def report_ready(self) -> None:
        # A parent that is gone is read of, not written to.
        with suppress(OSError):
            self._parent.send(READY)


class Child:
    """The parent's side of a worker."""

    def __init__(self, number: int, pid: int, orders: socket.socket) -> None:
        self.number = number
        self.pid = pid
        self.orders = orders
        self.started = monotonic()


class Supervisor:
    """Starts one worker, the others once that is ready, and one anew for each that dies."""

    def __init__(self, settings: Settings) -> None:
        self._count = settings.workers
        self._ledger = Ledger(settings.workers)
        self._patience_s = settings.drain_pause_s + settings.drain_timeout_s + PATIENCE_S
        self._children: dict[int, Child] = {}
        self._due: list[tuple[float, int]] = []
        self._failures = [0] * settings.workers
        self._was_ready = False
        self._stop_with: bytes | None = None
        self._kill_at = float("inf")

    def run(self) -> Worker | None:
        """Return a Worker in each worker, and None in the parent once all have ended.

        Raises ChildFailed, with the worker's exit code, when the first cannot start.
        """
        wakes, self._wake = socket.socketpair()
        for end in (wakes, self._wake):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        self._due = [(0.0, 0)]
        while self._children or self._due:
            if worker := self._start_due():
                wakes.close()
                return worker
            self._watch(wakes)
        return None

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._stop_with is not None:
            self._end_at_once(number)
        log.info("%s: stopping %d workers", signal.Signals(number).name, len(self._children))
        self._stop_with = PAUSE_AND_STOP if number == signal.SIGTERM else STOP
        self._kill_at = monotonic() + self._patience_s
        self._due.clear()
        self._send_orders()

    def _send_orders(self) -> None:
        for child in self._children.values():
            try:
                child.orders.send(self._stop_with or STOP)
            except OSError:
                # It has ended already; its end of the socket says so to _watch.
                continue

    def _end_at_once(self, number: int) -> None:
        self._kill()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _kill(self) -> None:
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)

    def _start_due(self) -> Worker | None:
        now = monotonic()
        for entry in [entry for entry in self._due if entry[0] <= now]:
            self._due.remove(entry)
            if worker := self._start(entry[1]):
                return worker
        return None

    def _start(self, number: int) -> Worker | None:
        ours, theirs = socket.socketpair()
        # A signal between fork and the lines below must not run the parent's handler.
        numbers = (signal.SIGTERM, signal.SIGINT)
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for each in numbers:
                signal.signal(each, signal.SIG_IGN)
            for held in (ours, self._wake, *(child.orders for child in self._children.values())):
                held.close()
        else:
            theirs.close()
            self._children[ours.fileno()] = Child(number, pid, ours)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        if pid == 0:
            self._ledger.process = number
            return Worker(number, self._ledger, theirs, listens_late=self._was_ready)
        return None

    def _watch(self, wakes: socket.socket) -> None:
        """Wait until something happens, and see to it."""
        poll = select.poll()
        for file in (wakes.fileno(), *self._children):
            poll.register(file, select.POLLIN)
        next_s = min([self._kill_at, *(when for when, _ in self._due)]) - monotonic()
        timeout_ms = None if next_s == float("inf") else max(0, round(next_s * 1000) + 1)
        for file, _ in poll.poll(timeout_ms):
            child = self._children.get(file)
            if child is None:
                wakes.recv(64)
            elif child.orders.recv(1) == READY:
                self._is_ready()
            else:
                self._ended(self._children.pop(file))
        if monotonic() >= self._kill_at:
            self._kill()
            self._kill_at = float("inf")

    def _is_ready(self) -> None:
        if not self._was_ready and self._stop_with is None:
            self._due += [(0.0, number) for number in range(1, self._count)]
        self._was_ready = True

    def _ended(self, child: Child) -> None:
        child.orders.close()
        status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        if self._stop_with is not None:
            return
        if not self._was_ready:
            failure = ChildFailed(f"worker 0 {_how(status)} before it was ready")
            failure.exit_code = max(1, status)
            raise failure
        lived_s = monotonic() - child.started
        failures = 0 if lived_s > HEALTHY_S else self._failures[child.number]
        wait_s = min(FIRST_BACKOFF_S * 2**failures, LONGEST_BACKOFF_S)
        self._failures[child.number] = min(failures + 1, 10)
        self._due.append((monotonic() + wait_s, child.number))
        form = "worker %d (process %d) %s; another starts in %g s"
        log.warning(form, child.number, child.pid, _how(status), wait_s)


def _how(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with {status}"


def in_workers(settings: Settings) -> tuple[Settings, Worker] | None:
    """Fork the workers; in each what it serves with, None in the parent at the end.

    Port 0 becomes the same free port for all.
    """
    bind(settings._replace(workers=1)).close()
    # Held, but not listening: the port stays ours while a worker is started anew.
    with bind(settings) as held:
        worker = Supervisor(settings).run()
        if worker is None:
            return None
        port = held.getsockname()[1]
    return settings._replace(port=port), worker
