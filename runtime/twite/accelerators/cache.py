"""Verdicts kept for the next start, in the user's cache folder: one file for a model and a way.

A verdict is about one machine, library, engine and model; another one is never believed. A cached
`accepted` only saves the probe: the worker's first answers are compared with the CPU's all the
same.
"""

import hashlib
import json
import logging
import os
import platform
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

from twite.accelerators.candidates import Candidate
from twite.accelerators.probe import Verdict
from twite.bundle import Bundle
from twite.engine import NAME, VERSION
from twite.errors import AcceleratorError
from twite.fields import from_table

log = logging.getLogger("twite")

FORMAT = 1
"""Another one where verdicts are reached in another way."""
KEPT = ("accepted", "wrong", "nonfinite", "constant", "idle", "crashed", "hung")
"""The others may be otherwise next time: a device in use, a driver that was missing."""
REFUSAL_S = 24 * 3600.0
"""For how long a refusal is believed."""


class Cache:
    """folder is None where nothing is kept."""

    def __init__(self, folder: Path | None, threads: int) -> None:
        self._folder, self._threads = folder, threads

    def read(self, bundle: Bundle, candidate: Candidate) -> Verdict | None:
        """The verdict, None where there is none, or it is damaged or about something else."""
        if self._folder is None:
            return None
        file = self.file(bundle, candidate)
        try:
            table = json.loads(file.read_bytes())
            about, at = table["about"], float(table["at"])
            verdict = from_table(Verdict, table["verdict"], str(file), AcceleratorError)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AcceleratorError) as error:
            log.warning("the verdict in %s cannot be read (%s): probing again", file, error)
            return None
        own = self._about(bundle, candidate)
        if about != own:
            other = [
                key for key in own if not isinstance(about, dict) or about.get(key) != own[key]
            ]
            log.info("the verdict in %s is about another %s: probing", file, ", ".join(other))
            return None
        is_old = verdict.kind != "accepted" and not 0 <= time() - at < REFUSAL_S
        return None if is_old or verdict.kind not in KEPT else verdict

    def write(self, bundle: Bundle, candidate: Candidate, verdict: Verdict) -> None:
        """Keep the verdict where it is worth it; a folder that cannot be written is no error."""
        if self._folder is None or verdict.kind not in KEPT:
            return
        file = self.file(bundle, candidate)
        aside = file.with_suffix(f".{os.getpid()}")
        table = {"about": self._about(bundle, candidate), "at": time()}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(table | {"verdict": verdict._asdict()}, indent=1))
            aside.replace(file)
        except OSError as error:
            form = "%s cannot be written (%s): the next start probes again"
            log.info(form, file, error.strerror)
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def forget(self, bundle: Bundle, candidate: Candidate) -> None:
        if self._folder is None:
            return
        try:
            self.file(bundle, candidate).unlink(missing_ok=True)
        except OSError as error:
            log.debug("a verdict cannot be removed: %s", error.strerror)

    def file(self, bundle: Bundle, candidate: Candidate) -> Path:
        options = json.dumps([candidate.name, candidate.options, candidate.library], sort_keys=True)
        key = f"{bundle.manifest.files[bundle.manifest.model].sha256}{options}"
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        return (self._folder or Path()) / "verdicts" / f"{name}.json"

    def _about(self, bundle: Bundle, candidate: Candidate) -> dict[str, Any]:
        return {
            "machine": machine(),
            "library": _identity(candidate.library),
            "engine": f"{NAME} {VERSION}",
            "format": FORMAT,
            "threads": self._threads,
            "model": Path(candidate.model).name,
            "files": {name: entry.sha256 for name, entry in bundle.manifest.files.items()},
        }


def machine() -> str:
    """What this machine is: its id where it has one, its processor and its kernel."""
    found = [platform.machine(), os.uname().release]
    for file, key in (("/etc/machine-id", ""), ("/proc/cpuinfo", "model name")):
        try:
            lines = Path(file).read_text().splitlines()
        except OSError:
            continue
        found += [line.partition(":")[2].strip() or line for line in lines if line.startswith(key)][
            :1
        ]
    return " ".join(found)


def _identity(library: str) -> list[object]:
    """Path, size and time of a library: another build of it is another one."""
    if not library:
        return []
    try:
        status = os.stat(library)  # noqa: PTH116
    except OSError:
        return [library]
    return [library, status.st_size, status.st_mtime_ns]
