"""`twite doctor`: what this machine has, what is missing, and the exact fix."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twite.commands.arguments import Commands, add_command, add_json, print_json
from twite.settings import Settings, read_library_path, read_vulkan_drivers

MIB = 1 << 20


def register(commands: Commands) -> None:
    summary = "Say what this machine has for Twite, what is missing, and the fix."
    parser = add_command(commands, "doctor", run, summary)
    parser.add_argument(
        "bundle", type=Path, nargs="?", help="probe the accelerators on this bundle as well"
    )
    parser.add_argument(
        "--accelerator", metavar="NAME[:key=value,…]", help="probe this one (TWITE_ACCELERATOR)"
    )
    add_json(parser)


def run(options: argparse.Namespace, settings: Settings) -> int:
    from twite.accelerators.discovery import Place
    from twite.doctor import TINY, examine

    place = Place(Path("/"), read_library_path(), read_vulkan_drivers())
    diagnosis = examine(place, TINY)
    if options.bundle:
        wanted = options.accelerator or settings.accelerator
        diagnosis = diagnosis._replace(trials=_try(options.bundle, wanted, place, settings))
    if options.json:
        print_json(_table(diagnosis))
        return 0
    for line in _lines(diagnosis):
        print(line)
    return 0


def _try(path: Path, wanted: str, place: Any, settings: Settings) -> Any:
    from twite.accelerators.cache import Cache
    from twite.accelerators.catalogue import parse
    from twite.bundle import load
    from twite.doctor import try_accelerators

    threads = settings.threads or len(os.sched_getaffinity(0))
    choice = parse("auto" if wanted == "cpu" else wanted)
    cache = Cache(Path(settings.cache_dir) if settings.cache_dir else None, threads)
    return try_accelerators(
        load(path),
        choice,
        place,
        patience_s=settings.accelerator_probe_s,
        threads=threads,
        cache=cache,
    )


def _table(diagnosis: Any) -> dict[str, Any]:
    return {
        "machine": diagnosis.machine._asdict(),
        "engine": diagnosis.engine._asdict(),
        "accelerators": [each._asdict() for each in diagnosis.accelerators],
        "trials": [each._asdict() for each in diagnosis.trials],
    }


def _lines(diagnosis: Any) -> Iterator[str]:
    rows = [*_machine_rows(diagnosis.machine), *_engine_rows(diagnosis.engine)]
    for key, text in rows:
        yield f"{key:12}{text}"
    for finding in diagnosis.accelerators:
        yield f"{finding.name:12}{finding.title}: {_finding(finding)}"
        if finding.fix:
            yield f"{'':12}fix: {finding.fix}"
    for trial in diagnosis.trials:
        yield f"{'trial':12}{trial.name}: {_trial(trial)}"


def _machine_rows(machine: Any) -> Iterator[tuple[str, str]]:
    yield "machine", f"{machine.architecture}, {machine.processor}"
    quota = f", the cgroup allows {machine.cgroup_cores:g}" if machine.cgroup_cores else ""
    yield "cores", f"{machine.cores}{quota}"
    limit = machine.cgroup_memory_bytes
    allowed = f", the cgroup allows {limit // MIB:,} MiB" if limit else ""
    yield "memory", f"{machine.memory_bytes // MIB:,} MiB{allowed}"
    yield "system", f"Linux {machine.kernel}, glibc {machine.glibc}"
    for file in machine.hidden:
        yield "/sys", f"{file} cannot be read: on ARM the engine then runs without XNNPACK"
        yield "", "fix: put a file there with the line 0-1 (docs/accelerators.md)"


def _engine_rows(engine: Any) -> Iterator[tuple[str, str]]:
    if engine.problem:
        yield "engine", engine.problem
        return
    xnnpack = "XNNPACK is applied" if engine.xnnpack else "without XNNPACK: expect it to be slow"
    yield "engine", f"{engine.name} {engine.version}, {xnnpack}"


def _finding(finding: Any) -> str:
    devices = ", ".join(finding.devices)
    if finding.state == "ready":
        return f"ready, {devices or 'no device needed'}, {finding.library}"
    if finding.state == "absent":
        return f"not here: {finding.missing}"
    return f"{finding.missing}" + (f" (found {devices})" if devices else "")


def _trial(trial: Any) -> str:
    times = ""
    if trial.accelerated_ms:
        times = f"{trial.accelerated_ms:.3g} ms a call, the CPU {trial.cpu_ms:.3g} ms"
    if trial.kind == "accepted":
        return f"right, {times}"
    return f"{trial.kind}: {trial.reason}"
