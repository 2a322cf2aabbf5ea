"""A conversion that hangs or eats the memory ends in one line, and so do its own children."""

import os
import re
import time
from pathlib import Path

import pytest

from twite.errors import ChildFailed
from twite_build import conversion
from twite_build.conversion import Limits, convert
from twite_build.recipe import Source
from twite_build.sources import Origin


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Attempt":
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return Attempt(tmp_path, monkeypatch)


class Attempt:
    """Convert with one of the converters of crashing.py; answers the error's text."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch

    def __call__(self, converter: str, limits: Limits) -> str:
        self.monkeypatch.setitem(conversion.CONVERTERS, "keras", f"crashing:{converter}")
        origin = Origin("keras", self.folder / "model.keras", Source("model.keras", "keras"))
        samples = self.folder / "samples.npz"
        with pytest.raises(ChildFailed) as failed:
            convert(origin, samples, self.folder, limits, lambda text: None)
        return str(failed.value)


def test_what_hangs_is_ended_with_all_that_it_started(attempt: Attempt) -> None:
    message = attempt("hanging_with_a_child", Limits(timeout_s=5))
    assert "ran longer than 5 s and was ended" in message
    (grandchild,) = re.findall(r"^  (\d+)$", message, re.MULTILINE)
    assert is_gone(int(grandchild))


def test_what_eats_the_memory_is_ended(attempt: Attempt) -> None:
    message = attempt("with_all_memory", Limits(memory_bytes=300 * 2**20))
    assert re.search(r"took [\d,]+ MiB of memory, more than 300, and was ended", message)


def test_what_the_system_kills_is_told_as_that(attempt: Attempt) -> None:
    message = attempt("without_memory_left", Limits())
    assert "was killed, most likely because the machine ran out of memory" in message


def is_gone(process: int) -> bool:
    """Whether a process ends; init may take a moment to bury it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
