"""SnapStart: what is done before the memory is frozen, and again in every copy that wakes up."""

import gc
import os
import random

from snapshot_restore_py import register_after_restore, register_before_snapshot

from function import Function


def register(function: Function) -> None:
    """Have `prepare` run before the snapshot and `renew` after each restore."""
    register_before_snapshot(prepare, function)
    register_after_restore(renew, function)


def prepare(function: Function) -> None:
    """The model is loaded and verified; load the HTTP side too, and leave no garbage."""
    function.gateway()
    import mangum  # noqa: F401

    gc.collect()
    gc.freeze()


def renew(function: Function) -> None:
    """Copies of one memory must not draw the same numbers, nor say that they are warm."""
    random.seed(os.urandom(32))
    function.telemetry.is_cold = True
