"""How many processors and how much memory this process may use: affinity and control groups.

A container's limit stands in cgroup v1 or v2, never in the count of cores that it sees.
"""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path, PurePosixPath

ROOT = Path("/")
UNLIMITED_BYTES = 1 << 60
"""cgroup v1 spells "no limit" as the largest whole number of pages."""


def processors(root: Path = ROOT) -> int:
    """The cores of the affinity, cut to the CPU quota of the control groups; at least 1."""
    return max(1, ceil(min(len(os.sched_getaffinity(0)), quota(root))))


def quota(root: Path = ROOT) -> float:
    """The smallest CPU quota of this process and the groups above it, in cores; inf without one."""
    found = [float("inf")]
    for folder in _groups(root, "cpu"):
        words = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            found.append(int(words[0]) / int(words[1]))
    return min(found)


def memory_bytes(root: Path = ROOT) -> int | None:
    """The smallest memory limit of this process and the groups above it; None without one."""
    found: list[int] = []
    for folder in _groups(root, "memory"):
        words = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        if words and words[0].isdigit() and int(words[0]) < UNLIMITED_BYTES:
            found.append(int(words[0]))
    return min(found, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's groups that may hold a limit, from its own to the root's.

    Inside a container the mount begins at its own group, whatever /proc says of the path.
    """
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names = controllers.split(",")
        if controller not in names and (number != "0" or controllers):
            continue
        # Version 1 mounts its controllers apart or together, version 2 all in one place.
        places = [mount / name for name in (controllers, controller)] if controllers else [mount]
        folder = next((place for place in places if place.is_dir()), mount)
        inside = PurePosixPath(path.lstrip("/"))
        for each in (inside, *inside.parents):
            yield folder / each


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
