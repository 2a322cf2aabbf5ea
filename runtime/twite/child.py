"""Run a function in a fresh child process, so that a crash in it ends as an error here.

Converters and interpreters segfault on some input that looks legitimate (facts of the field, not
of this code); a request and its answer therefore travel as JSON files, and the child's output is
read line by line.
"""

import importlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twite.errors import ChildFailed, TwiteError

TAIL_LINES = 20


def run_in_child(
    function: str,
    request: Mapping[str, object],
    *,
    timeout_s: float | None = None,
    on_line: Callable[[str], None] | None = None,
    on_start: Callable[["subprocess.Popen[str]"], None] | None = None,
    python: Sequence[str] = (sys.executable, "-m", "twite.child"),
) -> dict[str, Any]:
    """Call `package.module:name` with request in a new Python process and return its answer.

    Both are JSON objects. on_line gets each line that the child prints, on_start the process, for
    whoever must end it from another thread; python is the command of another environment. A
    TwiteError raised in the child is raised here; a crash, another exception or a time-out raises
    ChildFailed with the last lines of output. The child never outlives the call.
    """
    with tempfile.TemporaryDirectory(prefix="twite-") as folder:
        asked, answered = Path(folder, "request.json"), Path(folder, "answer.json")
        asked.write_text(json.dumps(dict(request)))
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        command = [*python, function, str(asked), str(answered)]
        code = _run(command, tail, timeout_s, on_line, on_start)
        answer = json.loads(answered.read_text()) if answered.exists() else None
        if code is None or code != 0 or answer is None:
            raise ChildFailed(_failure(function, code, timeout_s, tail))
        if "error" in answer:
            raise _error_class(answer["error"])(answer["message"])
        result: dict[str, Any] = answer["result"]
        return result


def _run(
    command: list[str],
    tail: deque[str],
    timeout_s: float | None,
    on_line: Callable[[str], None] | None,
    on_start: Callable[["subprocess.Popen[str]"], None] | None,
) -> int | None:
    """The child's exit status, or None when it ran out of time."""
    expired = threading.Event()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as child:

        def expire() -> None:
            expired.set()
            child.kill()

        if on_start:
            on_start(child)
        timer = threading.Timer(timeout_s or 0, expire)
        timer.daemon = True
        if timeout_s is not None:
            timer.start()
        try:
            for line in _lines(child):
                tail.append(line)
                if on_line:
                    on_line(line)
            code = child.wait()
        finally:
            timer.cancel()
            child.kill()
    return None if expired.is_set() else code


def _lines(child: "subprocess.Popen[str]") -> Iterator[str]:
    for line in child.stdout or ():
        yield line.rstrip("\n")


def _failure(function: str, code: int | None, timeout_s: float | None, tail: deque[str]) -> str:
    name = function.rpartition(":")[2]
    if code is None:
        what = f"ran longer than {timeout_s:g} s and was ended"
    elif code == -signal.SIGKILL:
        what = "was killed with SIGKILL, most often because memory ran out"
    elif code < 0:
        what = f"crashed with {signal.Signals(-code).name}"
    else:
        what = f"ended with status {code} and no answer"
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
