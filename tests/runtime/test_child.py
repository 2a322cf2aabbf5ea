import os
import signal
import sys
import time
from pathlib import Path

import pytest

from twite.child import run_in_child
from twite.errors import ChildFailed, ShapeMismatch


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([source, *filter(None, sys.path)]))


def double(request: dict[str, int]) -> dict[str, int]:
    print("doubling")
    return {"n": request["n"] * 2}


def refuse(request: dict[str, int]) -> dict[str, int]:
    raise ShapeMismatch("input 'x' is (1,); the model takes (2,)")


def crash(request: dict[str, int]) -> dict[str, int]:
    print("about to convert", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def fail(request: dict[str, int]) -> dict[str, int]:
    raise KeyError("unforeseen")


def hang(request: dict[str, int]) -> dict[str, int]:
    print(os.getpid(), flush=True)
    time.sleep(600)
    return {}


def test_returns_the_answer_and_passes_lines_on() -> None:
    lines: list[str] = []
    assert run_in_child("test_child:double", {"n": 4}, on_line=lines.append) == {"n": 8}
    assert lines == ["doubling"]


def test_raises_the_error_of_the_child_here() -> None:
    with pytest.raises(ShapeMismatch, match=r"takes \(2,\)"):
        run_in_child("test_child:refuse", {})


def test_a_crash_ends_as_an_error_with_the_last_output() -> None:
    with pytest.raises(ChildFailed, match=r"(?s)'crash' crashed with SIGSEGV.*about to convert"):
        run_in_child("test_child:crash", {})


def test_an_unforeseen_exception_shows_its_traceback() -> None:
    with pytest.raises(ChildFailed, match=r"(?s)status 1.*KeyError: 'unforeseen'"):
        run_in_child("test_child:fail", {})


def test_a_read_only_system_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    assert run_in_child("test_child:double", {"n": 21}) == {"n": 42}


def test_a_child_that_hangs_is_ended() -> None:
    lines: list[str] = []
    with pytest.raises(ChildFailed, match="longer than 8 s"):
        run_in_child("test_child:hang", {}, timeout_s=8, on_line=lines.append)
    with pytest.raises(ProcessLookupError):
        os.kill(int(lines[0]), 0)
