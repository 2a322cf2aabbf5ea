"""Companions: the chosen model compiled for accelerators, beside the model that every CPU runs."""

from pathlib import Path
from typing import NamedTuple

from twite.manifest import Companion
from twite_build.targets import Target


class Companions(NamedTuple):
    """What the manifest says of them, and their files by name in the bundle."""

    entries: tuple[Companion, ...]
    files: dict[str, bytes]


def make_companions(model: Path, target: Target, folder: Path) -> Companions:
    """Compile the chosen model for the target's accelerators; nothing where there is none.

    folder is the build's working folder.
    """
    return Companions((), {})
