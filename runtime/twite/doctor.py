"""What this machine is to Twite: cores and limits, the engine, every accelerator and its fix."""

import os
import platform
from pathlib import Path
from typing import Any, NamedTuple

from twite.accelerators.cache import Cache
from twite.accelerators.candidates import candidates
from twite.accelerators.catalogue import Choice
from twite.accelerators.discovery import HERE, Finding, Place, discover
from twite.accelerators.probe import HOP_S, Prober, Verdict, judge_speed
from twite.bundle import Bundle
from twite.child import run_in_child
from twite.errors import ChildFailed, TwiteError
from twite.processors import memory_bytes, quota

TINY = Path(__file__).parent / "accelerators" / "tiny.tflite"
"""A model of four operators, to see whether XNNPACK takes them."""
CPU_FILES = ("possible", "present")
ENGINE_S = 60.0


class Machine(NamedTuple):
    """cores are those that this process may use; the limits are the cgroup's, None for none.

    hidden are the files of /sys that the engine needs to know the processor and cannot read.
    """

    architecture: str
    processor: str
    cores: int
    cgroup_cores: float | None
    memory_bytes: int
    cgroup_memory_bytes: int | None
    kernel: str
    glibc: str
    hidden: tuple[str, ...]


class EngineCheck(NamedTuple):
    """The engine on a model; problem says why it could not run."""

    name: str
    version: str
    xnnpack: bool
    problem: str = ""


class Trial(NamedTuple):
    """An accelerator on a bundle, in milliseconds a call."""

    name: str
    kind: str
    reason: str
    cpu_ms: float
    accelerated_ms: float


class Diagnosis(NamedTuple):
    machine: Machine
    engine: EngineCheck
    accelerators: tuple[Finding, ...]
    trials: tuple[Trial, ...]


def examine(place: Place, model: Path = TINY) -> Diagnosis:
    """Everything but what a bundle says; nothing of the catalogue is loaded for it."""
    return Diagnosis(read_machine(place.root), check_engine(model), tuple(discover(place)), ())


def try_accelerators(
    bundle: Bundle, choice: Choice, place: Place, *, patience_s: float, threads: int, cache: Cache
) -> tuple[Trial, ...]:
    """Probe what may run the bundle, each in a process of its own; the cache is renewed."""
    found, refused = candidates(bundle, choice, place)
    trials = [Trial(each.name, "refused", each.reason, 0.0, 0.0) for each in refused]
    prober = Prober(patience_s, threads)
    last: dict[str, Verdict] = {}
    for candidate in found:
        before = last.get(candidate.name)
        if before and before.kind not in ("wrong", "nonfinite"):
            continue
        verdict = last[candidate.name] = prober.probe(bundle, candidate)
        cache.write(bundle, candidate, verdict)
        if not candidate.is_named:
            verdict = judge_speed(verdict, 0)
        times = (verdict.cpu_s * 1000, (verdict.accelerated_s + HOP_S) * 1000)
        if not verdict.accelerated_s:
            times = (0.0, 0.0)
        trials.append(Trial(candidate.label, verdict.kind, verdict.reason, *times))
    return tuple(trials)


def read_machine(root: Path = HERE.root) -> Machine:
    folder = root / "sys/devices/system/cpu"
    hidden = tuple(str(folder / name) for name in CPU_FILES if not _read(folder / name))
    allowed = quota(root)
    return Machine(
        architecture=platform.machine(),
        processor=_processor(root),
        cores=len(os.sched_getaffinity(0)),
        cgroup_cores=allowed if allowed < float("inf") else None,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        cgroup_memory_bytes=memory_bytes(root),
        kernel=os.uname().release,
        glibc=platform.libc_ver()[1] or "none: another C library",
        hidden=hidden,
    )


def check_engine(model: Path) -> EngineCheck:
    """Load the model in a child process: an engine that crashes is a finding, no end."""
    request = {"model": str(model.absolute())}
    try:
        told = run_in_child("twite.doctor:check_in_child", request, timeout_s=ENGINE_S)
    except ChildFailed as error:
        return EngineCheck("?", "?", False, str(error).splitlines()[0].removesuffix("; its last"))
    except TwiteError as error:
        return EngineCheck("?", "?", False, str(error))
    return EngineCheck(**told)


def check_in_child(request: dict[str, str]) -> dict[str, Any]:
    from twite.engine import Engine

    engine = Engine(Path(request["model"]), threads=1)
    return EngineCheck(engine.name, engine.version, engine.xnnpack)._asdict()


def _processor(root: Path) -> str:
    for key in ("model name", "Model", "Hardware"):
        for line in _read(root / "proc/cpuinfo").splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return _read(root / "proc/device-tree/model").strip("\0") or "unknown"


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
