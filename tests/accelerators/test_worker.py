"""Whatever the worker does, every answer is right, and the CPU's where it must be."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twite.accelerators.acceleration import Acceleration, Patience
from twite.engine import Engine
from twite.errors import EngineError
from twite.tensors import Tensors

Start = Callable[..., Acceleration]
Wait = Callable[[Callable[[], object]], None]
Settle = Callable[[Acceleration], str]

GENEROUS = Patience(probe_s=60.0, call_s=60.0, check_every=1, restarts=2, backoff_s=0.01)


def is_right(acceleration: Acceleration, cpu: Engine, tensors: Tensors) -> bool:
    came, wanted = acceleration.run(tensors, cpu), cpu.run(tensors)
    return all(np.allclose(came[name], wanted[name], atol=1e-4) for name in wanted)


def test_answers_on_the_accelerator(
    start: Start, settle: Settle, cpu: Engine, row: Tensors
) -> None:
    acceleration = start("mode=good")
    assert is_right(acceleration, cpu, row), "the CPU answers before"
    assert settle(acceleration) == "running"
    assert acceleration.engine(cpu).status() == acceleration.status()
    assert is_right(acceleration, cpu, row)
    status = acceleration.status()
    assert (status.name, status.fallbacks, status.refused) == ("external:mode=good", 0, ())
    assert status.since is not None
    batch = {"x": np.concatenate([row["x"], -row["x"]])}
    assert is_right(acceleration, cpu, batch)


@pytest.mark.parametrize(
    "options",
    [
        "mode=fail,stage=invoke",
        "mode=crash,stage=invoke",
        "mode=exit,stage=invoke",
        "mode=hang,stage=invoke",
        "mode=wrong",
        "mode=nan",
    ],
)
def test_a_failing_call_is_answered_by_the_cpu(
    options: str,
    start: Start,
    settle: Settle,
    wait: Wait,
    cpu: Engine,
    row: Tensors,
    tmp_path: Path,
) -> None:
    trigger = tmp_path / "trigger"
    # Only where a call hangs for certain is its deadline short.
    patience = GENEROUS._replace(call_s=1.0) if "hang" in options else GENEROUS
    acceleration = start(f"{options},trigger={trigger}", patience=patience)
    assert settle(acceleration) == "running"
    assert is_right(acceleration, cpu, row)
    trigger.touch()
    wait(lambda: _asked(acceleration, cpu, row) and acceleration.status().state == "quarantined")
    status = acceleration.status()
    assert status.fallbacks >= 1
    assert status.since is None
    assert status.refused[-1].name == status.name
    assert is_right(acceleration, cpu, row)


def _asked(acceleration: Acceleration, cpu: Engine, row: Tensors) -> bool:
    assert is_right(acceleration, cpu, row)
    return True


@pytest.mark.parametrize("stage", ["create", "prepare"])
@pytest.mark.parametrize("mode", ["fail", "crash", "hang"])
def test_a_worker_that_does_not_start_leaves_the_cpu(
    mode: str,
    stage: str,
    start: Start,
    settle: Settle,
    wait: Wait,
    cpu: Engine,
    row: Tensors,
    tmp_path: Path,
) -> None:
    trigger = tmp_path / "trigger"
    options = f"mode={mode},stage={stage},trigger={trigger}"
    first = start(options)
    assert settle(first) == "running"
    first.close()
    trigger.touch()
    # The verdict is in the cache, so that only the worker meets the failure.
    patience = GENEROUS._replace(probe_s=1.0) if mode == "hang" else GENEROUS
    second = start(options, patience=patience)
    wait(lambda: _asked(second, cpu, row) and second.status().state == "quarantined")
    assert second.status().refused[-1].reason
    # A verdict that did not hold is not believed again.
    third = start(options, patience=patience)
    wait(lambda: third.status().state == "refused")


def test_wrong_after_many_calls_is_found_at_the_next_check(
    start: Start, settle: Settle, wait: Wait, cpu: Engine, row: Tensors
) -> None:
    acceleration = start("mode=wrong,after=70", patience=GENEROUS._replace(check_every=16))
    assert settle(acceleration) == "running"
    for _ in range(70 + 16):
        acceleration.run(row, cpu)
    wait(lambda: acceleration.status().state == "quarantined")
    assert "is off by" in acceleration.status().refused[-1].reason
    assert is_right(acceleration, cpu, row)


def test_a_killed_worker_is_replaced(
    start: Start, settle: Settle, wait: Wait, cpu: Engine, row: Tensors
) -> None:
    acceleration = start("mode=good")
    assert settle(acceleration) == "running"
    first = acceleration.worker_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait(lambda: _asked(acceleration, cpu, row) and acceleration.worker_pid not in (None, first))
    assert is_right(acceleration, cpu, row)
    assert acceleration.status().state == "running"


def test_an_unplugged_device_leaves_the_cpu(
    start: Start, settle: Settle, wait: Wait, cpu: Engine, row: Tensors, tmp_path: Path
) -> None:
    device = tmp_path / "device"
    device.touch()
    acceleration = start(f"device={device}")
    assert settle(acceleration) == "running"
    device.unlink()
    wait(lambda: _asked(acceleration, cpu, row) and acceleration.status().state == "quarantined")
    assert "device" in acceleration.status().refused[-1].reason


def test_a_device_in_use_is_refused(
    start: Start, settle: Settle, cpu: Engine, row: Tensors, tmp_path: Path
) -> None:
    first = start(f"lock={tmp_path / 'lock'}")
    assert settle(first) == "running"
    second = start(f"lock={tmp_path / 'lock'},mode=good")
    assert settle(second) == "refused"
    assert "in use by another process" in second.status().refused[-1].reason
    assert is_right(first, cpu, row)
    assert is_right(second, cpu, row)


def test_closing_does_not_wait_for_a_hanging_probe(start: Start) -> None:
    acceleration = start("mode=hang,stage=create")
    acceleration.close()
    assert acceleration.status().state == "stopped"


def test_closing_does_not_wait_for_a_hanging_worker(
    start: Start, settle: Settle, wait: Wait, tmp_path: Path
) -> None:
    trigger = tmp_path / "trigger"
    acceleration = start(f"mode=hang,stage=create,trigger={trigger}")
    assert settle(acceleration) == "running"
    trigger.touch()
    os.kill(acceleration.worker_pid or 0, signal.SIGKILL)
    wait(lambda: acceleration.status().state == "restarting")
    begin = time.monotonic()
    acceleration.close()
    assert time.monotonic() - begin < 30, "it waited for the deadline of 60 s"


def test_tensors_that_do_not_fit_are_the_engines_affair(
    start: Start, settle: Settle, cpu: Engine
) -> None:
    acceleration = start("mode=good")
    assert settle(acceleration) == "running"
    with pytest.raises(EngineError):
        acceleration.run({"x": np.zeros((1, 7), np.float32)}, cpu)
    assert acceleration.status().fallbacks == 0
