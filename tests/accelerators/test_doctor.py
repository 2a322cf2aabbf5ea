"""`twite doctor`, and what it sees of a machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from twite.accelerators.catalogue import CATALOGUE
from twite.bundle import Bundle
from twite.doctor import TINY, check_engine, read_machine
from twite.engine import NAME


def doctor(*arguments: str, cache: Path) -> str:
    command = [sys.executable, "-m", "twite", "doctor", *arguments]
    environment = {**os.environ, "TWITE_CACHE_DIR": str(cache)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_lists_the_whole_catalogue_with_what_is_missing(tmp_path: Path) -> None:
    told = doctor(cache=tmp_path)
    for entry in CATALOGUE:
        assert (f"\n{entry.name} " in told) == (entry.name != "external")
    assert NAME in told
    assert "XNNPACK" in told
    assert "glibc" in told


def test_speaks_json(tmp_path: Path) -> None:
    told = json.loads(doctor("--json", cache=tmp_path))
    assert set(told) == {"machine", "engine", "accelerators", "trials"}
    assert told["engine"]["xnnpack"] is True
    assert told["machine"]["cores"] == len(os.sched_getaffinity(0))


def test_probes_a_bundle(tiny: Bundle, library: Path, tmp_path: Path) -> None:
    name = f"external:library={library}"
    told = doctor(str(tiny.path), "--accelerator", name, cache=tmp_path)
    assert "trial       external: right, " in told
    bad = doctor(str(tiny.path), "--accelerator", f"{name},mode=crash,stage=invoke", cache=tmp_path)
    assert "crashed: crashed with SIGSEGV in invoke" in bad
    assert list(tmp_path.glob("verdicts/*.json"))


def test_an_unknown_option_is_told(tiny: Bundle, tmp_path: Path) -> None:
    told = json.loads(
        doctor(str(tiny.path), "--accelerator", "webgpu:speed=9", "--json", cache=tmp_path)
    )
    (trial,) = told["trials"]
    assert trial["kind"] == "refused"
    assert "webgpu has no option 'speed'" in trial["reason"]


def test_sees_a_masked_sys_and_the_limits_of_a_cgroup(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert len(machine.hidden) == 2
    assert machine.cgroup_cores is None
    for name, text in {
        "sys/devices/system/cpu/possible": "0-1",
        "sys/devices/system/cpu/present": "0-1",
        "proc/self/cgroup": "0::/",
        "sys/fs/cgroup/cpu.max": "150000 100000",
        "sys/fs/cgroup/memory.max": "536870912",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    machine = read_machine(tmp_path)
    assert machine.hidden == ()
    assert machine.cgroup_cores == pytest.approx(1.5)
    assert machine.cgroup_memory_bytes == 512 << 20


def test_an_engine_that_cannot_load_is_a_finding(tmp_path: Path) -> None:
    assert check_engine(TINY).problem == ""
    missing = tmp_path / "missing.tflite"
    assert "missing.tflite" in check_engine(missing).problem
