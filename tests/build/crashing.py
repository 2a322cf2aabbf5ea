"""Converters that end as real ones were seen to; each runs in a child process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any


def with_a_signal(request: Mapping[str, Any]) -> dict[str, Any]:
    sys.stderr.write("folding constants\n")
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def with_success_and_no_answer(request: Mapping[str, Any]) -> dict[str, Any]:
    sys.stderr.write("nothing to do\n")
    sys.exit(0)


def without_a_model(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"inputs": [], "outputs": [], "tools": {}}


def hanging_with_a_child(request: Mapping[str, Any]) -> dict[str, Any]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    sys.stderr.write(f"{child.pid}\n")
    sys.stderr.flush()
    time.sleep(600)
    return {}


def with_all_memory(request: Mapping[str, Any]) -> dict[str, Any]:
    held = []
    while True:
        held.append(b"1" * 2**24)
        time.sleep(0.01)


def without_memory_left(request: Mapping[str, Any]) -> dict[str, Any]:
    # As the system's own guard does it.
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
