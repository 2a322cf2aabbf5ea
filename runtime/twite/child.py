"""Run a function in a fresh child process, so that a crash in it ends as an error here.

Converters and interpreters segfault on some input that looks legitimate (facts of the field, not
of this code); a request and its answer therefore travel as JSON files, and the child's output is
read line by line.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from twite.errors import ChildFailed, TwiteError

TAIL_LINES = 20
MEMORY = "/dev/shm"
WATCH_S = 0.1


def run_in_child(
    function: str,
    request: Mapping[str, object],
    *,
    timeout_s: float | None = None,
    memory_bytes: int | None = None,
    on_line: Callable[[str], None] | None = None,
    on_start: Callable[["subprocess.Popen[str]"], None] | None = None,
    python: Sequence[str] = (sys.executable, "-m", "twite.child"),
) -> dict[str, Any]:
    """Call `package.module:name` with request in a new Python process and return its answer.

    Both are JSON objects. on_line gets each line that the child prints, on_start the process, for
    whoever must end it from another thread; python is the command of another environment. A
    TwiteError raised in the child is raised here; a crash, another exception, a time-out or more
    resident memory than memory_bytes raises ChildFailed with the last lines of output. Neither the
    child nor what it started outlives the call.
    """
    with tempfile.TemporaryDirectory(prefix="twite-", dir=_scratch()) as folder:
        asked, answered = Path(folder, "request.json"), Path(folder, "answer.json")
        asked.write_text(json.dumps(dict(request)))
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        limits = _Limits(timeout_s, memory_bytes)
        command = [*python, function, str(asked), str(answered)]
        ended = _run(command, tail, limits, on_line, on_start)
        answer = json.loads(answered.read_text()) if answered.exists() else None
        if ended != 0 or answer is None:
            raise ChildFailed(_failure(function, ended, tail))
        if "error" in answer:
            raise _error_class(answer["error"])(answer["message"])
        result: dict[str, Any] = answer["result"]
        return result


class _Limits(NamedTuple):
    timeout_s: float | None
    memory_bytes: int | None

    def broken_by(self, child: int, elapsed_s: float) -> str | None:
        if self.timeout_s is not None and elapsed_s > self.timeout_s:
            return f"ran longer than {self.timeout_s:g} s and was ended"
        if self.memory_bytes is not None:
            used = sum(map(_resident_bytes, _family(child)))
            if used > self.memory_bytes:
                mib = (used >> 20, self.memory_bytes >> 20)
                return f"took {mib[0]:,} MiB of memory, more than {mib[1]:,}, and was ended"
        return None


def _run(
    command: list[str],
    tail: deque[str],
    limits: _Limits,
    on_line: Callable[[str], None] | None,
    on_start: Callable[["subprocess.Popen[str]"], None] | None,
) -> int | str:
    """The child's exit status, or why it was ended."""
    why: list[str] = []
    over = threading.Event()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as child:

        def watch() -> None:
            start = monotonic()
            while not over.wait(WATCH_S):
                if broken := limits.broken_by(child.pid, monotonic() - start):
                    why.append(broken)
                    _kill(child)
                    return

        if on_start:
            on_start(child)
        watcher = threading.Thread(target=watch, daemon=True)
        if limits != (None, None):
            watcher.start()
        try:
            _follow(child, tail, on_line)
            code = child.wait()
        finally:
            over.set()
            if child.poll() is None:
                _kill(child)
    return why[0] if why else code


def _scratch() -> str | None:
    """Where files may be made: the usual place, or memory where the whole system is read-only."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return MEMORY


def _kill(child: "subprocess.Popen[str]") -> None:
    """End the child and all that it started; it cannot start more while it is stopped."""
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGSTOP)
        for process in _family(child.pid)[1:]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    child.kill()


def _family(process: int) -> list[int]:
    """A process and its descendants, parents first; alone where the system does not tell."""
    found = [process]
    for parent in found:
        for file in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, file.read_text().split())
    return found


def _resident_bytes(process: int) -> int:
    with suppress(OSError, IndexError):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def _follow(
    child: "subprocess.Popen[str]", tail: deque[str], on_line: Callable[[str], None] | None
) -> None:
    """Every line that the child prints, to tail and to whoever listens, until its output ends."""
    for printed in child.stdout or ():
        line = printed.rstrip("\n")
        tail.append(line)
        if on_line:
            on_line(line)


def _failure(function: str, ended: int | str, tail: deque[str]) -> str:
    name = function.rpartition(":")[2]
    if isinstance(ended, str):
        what = ended
    elif ended == -signal.SIGKILL:
        what = "was killed, most likely because the machine ran out of memory"
    elif ended < 0:
        what = f"crashed with {signal.Signals(-ended).name}"
    else:
        what = f"ended with status {ended} and no answer"
    output = "\n".join(f"  {line}" for line in tail) or "  (nothing)"
    return f"the child process for '{name}' {what}; its last output was:\n{output}"


def _error_class(name: str) -> type[TwiteError]:
    module, _, cls = name.rpartition(".")
    found = getattr(importlib.import_module(module), cls, None)
    if isinstance(found, type) and issubclass(found, TwiteError):
        return found
    return TwiteError


def main(arguments: list[str]) -> None:
    """The child's side: read the request, call the function, write the answer."""
    function, asked, answered = arguments
    module, _, name = function.partition(":")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        request = json.loads(Path(asked).read_text())
        answer = {"result": getattr(importlib.import_module(module), name)(request)}
    except TwiteError as error:
        cls = type(error)
        answer = {"error": f"{cls.__module__}.{cls.__qualname__}", "message": str(error)}
    except MemoryError:
        message = f"the child process for '{name}' ran out of memory"
        answer = {"error": "twite.errors.ChildFailed", "message": message}
    Path(answered).write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
