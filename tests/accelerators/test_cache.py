"""Verdicts are kept, and believed only about the same machine, library, engine and model."""

import json
import logging
import os
from pathlib import Path

import pytest

from twite.accelerators.cache import Cache
from twite.accelerators.candidates import Candidate
from twite.accelerators.probe import Kind, Verdict
from twite.bundle import Bundle

ACCEPTED = Verdict("accepted", "", 1e-3, 1e-4, {"y": 0.1})


@pytest.fixture
def candidate(tiny: Bundle, tmp_path: Path) -> Candidate:
    library = tmp_path / "lib.so"
    library.write_bytes(b"library")
    return Candidate("external", "delegate", str(library), {"a": "b"}, str(tiny.model_path))


def test_gives_back_what_was_written(tiny: Bundle, candidate: Candidate, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 1)
    assert cache.read(tiny, candidate) is None
    cache.write(tiny, candidate, ACCEPTED)
    assert cache.read(tiny, candidate) == ACCEPTED
    assert cache.read(tiny, candidate._replace(options={})) is None
    assert Cache(tmp_path / "cache", 2).read(tiny, candidate) is None
    cache.forget(tiny, candidate)
    assert cache.read(tiny, candidate) is None


def test_another_build_of_the_library_is_another_one(
    tiny: Bundle, candidate: Candidate, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache", 1)
    cache.write(tiny, candidate, ACCEPTED)
    os.utime(candidate.library, (1, 1))
    assert cache.read(tiny, candidate) is None


def test_a_verdict_of_another_machine_is_told_and_not_believed(
    tiny: Bundle, candidate: Candidate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(tmp_path / "cache", 1)
    cache.write(tiny, candidate, ACCEPTED)
    file = cache.file(tiny, candidate)
    table = json.loads(file.read_text())
    table["about"]["machine"] = "another"
    file.write_text(json.dumps(table))
    with caplog.at_level(logging.INFO, "twite"):
        assert cache.read(tiny, candidate) is None
    assert "is about another machine: probing" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"about": 1, "at": "x", "verdict": 2}',
        b'{"about": {}, "at": 1, "verdict": {"kind": "accepted", "tolerance": 3}}',
        b'{"about": {}, "at": 1, "verdict": {"kind": "splendid"}}',
    ],
)
def test_a_damaged_verdict_is_told_and_not_believed(
    content: bytes,
    tiny: Bundle,
    candidate: Candidate,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = Cache(tmp_path / "cache", 1)
    cache.write(tiny, candidate, ACCEPTED)
    cache.file(tiny, candidate).write_bytes(content)
    assert cache.read(tiny, candidate) is None
    assert "cannot be read" in caplog.text
    cache.write(tiny, candidate, ACCEPTED)
    assert cache.read(tiny, candidate) == ACCEPTED


@pytest.mark.parametrize(("kind", "kept"), [("wrong", True), ("hung", True), ("failed", False)])
def test_what_may_be_otherwise_next_time_is_not_kept(
    kind: Kind, kept: bool, tiny: Bundle, candidate: Candidate, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache", 1)
    cache.write(tiny, candidate, Verdict(kind, "reason"))
    assert (cache.read(tiny, candidate) is not None) == kept


def test_a_refusal_is_believed_for_a_day(
    tiny: Bundle, candidate: Candidate, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache", 1)
    cache.write(tiny, candidate, Verdict("hung", "reason"))
    file = cache.file(tiny, candidate)
    table = json.loads(file.read_text())
    table["at"] -= 25 * 3600
    file.write_text(json.dumps(table))
    assert cache.read(tiny, candidate) is None


def test_a_folder_that_cannot_be_written_is_no_error(
    tiny: Bundle, candidate: Candidate, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    cache = Cache(tmp_path / "cache", 1)
    cache.write(tiny, candidate, ACCEPTED)
    cache.forget(tiny, candidate)
    assert cache.read(tiny, candidate) is None
    nowhere = Cache(None, 1)
    nowhere.write(tiny, candidate, ACCEPTED)
    nowhere.forget(tiny, candidate)
    assert nowhere.read(tiny, candidate) is None
