"""Converters that end as real ones were seen to; each runs in a child process."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twite_build.quantization.quantize import quantize_in_child


def with_a_signal(request: Mapping[str, Any]) -> dict[str, Any]:
    sys.stderr.write("folding constants\n")
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def with_success_and_no_answer(request: Mapping[str, Any]) -> dict[str, Any]:
    sys.stderr.write("nothing to do\n")
    sys.exit(0)


def without_a_model(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"inputs": [], "outputs": [], "tools": {}}


def dies_of_static(request: Mapping[str, Any]) -> dict[str, Any]:
    if "int8-static" in request["hows"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    return quantize_in_child(request)


def dies_of_dynamic(request: Mapping[str, Any]) -> dict[str, Any]:
    if "int8-dynamic" in request["hows"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    return quantize_in_child(request)


def hangs_in_static(request: Mapping[str, Any]) -> dict[str, Any]:
    if "int8-static" in request["hows"]:
        time.sleep(600)
    return quantize_in_child(request)


def is_killed_in_static(request: Mapping[str, Any]) -> dict[str, Any]:
    if "int8-static" in request["hows"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return quantize_in_child(request)


def runs_out_of_memory_in_static(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the quantizer does in an address space that its arrays do not fit into."""
    import litert_quantizer.quantizer  # noqa: F401

    if "int8-static" in request["hows"]:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used, used))
        bytearray(1 << 30)
    return quantize_in_child(request)


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
