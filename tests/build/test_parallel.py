"""Children in parallel: results in order, and none that outlives a failure or Ctrl-C."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from twite_build.parallel import OnStart, in_parallel


def sleep(on_start: OnStart) -> "subprocess.Popen[str]":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], text=True)
    on_start(child)
    return child


def test_answers_come_in_the_order_of_the_questions() -> None:
    def work(number: int, on_start: OnStart) -> int:
        time.sleep(0.02 * (3 - number))
        return number * number

    assert in_parallel(work, [0, 1, 2, 3]) == [0, 1, 4, 9]


@pytest.mark.parametrize("interrupted", [False, True])
def test_no_child_outlives_a_failure_or_ctrl_c(interrupted: bool) -> None:
    started: list[subprocess.Popen[str]] = []

    def work(number: int, on_start: OnStart) -> None:
        if number == 0:
            with sleep(on_start) as child:
                started.append(child)
                if interrupted:
                    main = threading.main_thread().ident
                    signal.pthread_kill(main or 0, signal.SIGINT)
            return
        while not started:
            time.sleep(0.01)
        if not interrupted:
            raise ValueError("the other one fails")

    expected = KeyboardInterrupt if interrupted else ValueError
    with pytest.raises(expected):
        in_parallel(work, [1, 0] if not interrupted else [0])
    assert started[0].wait(timeout=60) == -signal.SIGKILL
