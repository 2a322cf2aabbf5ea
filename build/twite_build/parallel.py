"""Work in several child processes at once, none of which outlives the call."""

import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

OnStart = Callable[["subprocess.Popen[str]"], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Item, OnStart], Result], items: Sequence[Item]) -> list[Result]:
    """work(item, on_start) for every item, one a core at a time but at least two; in order.

    work hands on_start every child process that it starts. When one fails or Ctrl-C comes, the
    children of the others are ended and the first error is raised.
    """
    children: list[subprocess.Popen[str]] = []
    ended = threading.Event()

    def on_start(child: "subprocess.Popen[str]") -> None:
        children.append(child)
        if ended.is_set():
            child.kill()

    pool = ThreadPoolExecutor(max(2, len(os.sched_getaffinity(0))))
    try:
        running = [pool.submit(work, item, on_start) for item in items]
        return [future.result() for future in running]
    finally:
        ended.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.kill()
        pool.shutdown(wait=True)
