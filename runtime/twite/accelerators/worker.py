"""The worker: a child process that runs the accelerator on memory that it shares with us."""

import mmap
import os
import threading
from collections.abc import Callable

from twite.accelerators.candidates import Candidate
from twite.accelerators.child import Child, Late, spell_end
from twite.accelerators.layout import Layout, views
from twite.accelerators.probe import START_S, last_words, plan_of
from twite.accelerators.work import DONE
from twite.bundle import Bundle
from twite.errors import AcceleratorError
from twite.tensors import Tensors


class Busy(Exception):
    """The accelerator cannot take this call, and nothing is wrong with it."""


class Worker:
    """The process, and the memory; start waits until it is ready.

    on_end is called, in another thread, when the process has ended by itself or not. Raises
    AcceleratorError when there can be no process.
    """

    def __init__(
        self,
        bundle: Bundle,
        candidate: Candidate,
        layout: Layout,
        *,
        threads: int,
        start_s: float,
        call_s: float,
        on_end: Callable[[], None],
    ) -> None:
        plan = {
            **plan_of(bundle, candidate),
            "threads": threads,
            "layout": layout.table(),
            "patience_s": START_S + max(start_s, call_s),
        }
        self._start_s, self._call_s = start_s, call_s
        self._lock = threading.Lock()
        self._failure = ""
        memory = os.memfd_create("twite-tensors")
        try:
            os.ftruncate(memory, layout.size_bytes)
            shared = mmap.mmap(memory, layout.size_bytes)
            self._child = Child("twite.accelerators.work", plan, memory, on_end)
        except OSError as error:
            raise AcceleratorError(f"no process could be started: {error.strerror}") from error
        finally:
            os.close(memory)
        self._inputs = list(views(shared, layout.inputs).items())
        self._outputs = list(views(shared, layout.outputs).items())

    @property
    def has_ended(self) -> bool:
        return self._child.has_ended

    @property
    def pid(self) -> int:
        return self._child.pid

    def call(self, tensors: Tensors, patience_s: float) -> Tensors:
        """Run one row of tensors; the answer belongs to the caller.

        Raises Busy when others have the accelerator for patience_s or the tensors do not fit,
        AcceleratorError when it fails; this worker is dead then.
        """
        if not self._lock.acquire(timeout=patience_s):
            raise Busy
        try:
            if self._failure:
                raise AcceleratorError(self._failure)
            for name, memory in self._inputs:
                array = tensors[name]
                # numpy would stretch or cast it; the CPU's engine says what is wrong.
                if array.shape != memory.shape or array.dtype != memory.dtype:
                    raise Busy
                memory[...] = array
            try:
                answer = self._child.ring(self._call_s)
            except Late:
                raise self._fail(f"hung: no answer after {self._call_s:g} s") from None
            if answer != DONE:
                raise self._fail(answer[1:].decode("utf-8", "replace"))
            return {name: memory.copy() for name, memory in self._outputs}
        finally:
            self._lock.release()

    def kill(self) -> None:
        """Make whoever waits for the process wait no longer."""
        self._child.kill()

    def close(self) -> None:
        """End the process; a call in another thread is answered with AcceleratorError."""
        self._failure = self._failure or "stopped"
        self._child.kill()
        with self._lock:
            self._child.close()

    def start(self) -> None:
        """Wait until the accelerator has the model; raises AcceleratorError when it fails."""
        stage = "start"
        while True:
            try:
                message = self._child.message(START_S if stage == "start" else self._start_s)
            except Late:
                raise AcceleratorError(f"hung in {stage}") from None
            if message is None:
                raise AcceleratorError(f"{self.death()} in {stage}")
            if "failed" in message:
                raise AcceleratorError(str(message["failed"]))
            if "ready" in message:
                return
            stage = str(message.get("stage"))

    def _fail(self, reason: str) -> AcceleratorError:
        """reason is empty where the process died: its parent has no time to ask how."""
        self._failure = reason or "its process has ended"
        self._child.kill()
        return AcceleratorError(reason)

    def death(self) -> str:
        status = self._child.end()
        words = last_words(self._child.tail())
        return spell_end(status) + (f": {words}" if words else "")
