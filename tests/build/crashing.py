"""Converters that end as real ones were seen to; each runs in a child process."""

import os
import signal
import sys
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
