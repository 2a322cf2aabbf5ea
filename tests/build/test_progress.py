"""Progress: a spinner on terminals, nothing but finished lines elsewhere, colours when wanted."""

import io
import time

import pytest

from twite_build.progress import Progress


class Terminal(io.TextIOWrapper):
    """A stream of an encoding, whose bytes can be looked at."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding)

    @property
    def shown(self) -> str:
        self.flush()
        return self.bytes.getvalue().decode(self.encoding)


def spin(progress: Progress) -> None:
    with progress.running("convert", "model.keras"):
        time.sleep(0.25)
    progress.line("convert", "done", "good")


def test_elsewhere_only_finished_lines_are_written() -> None:
    stream = Terminal()
    spin(Progress(stream, terminal=False, color=True))
    assert stream.shown == "convert    done\n"


def test_a_terminal_shows_what_runs_and_clears_it() -> None:
    stream = Terminal()
    spin(Progress(stream, terminal=True, color=False))
    frames = stream.shown.split("\r\x1b[2K")
    assert "convert    ⠋ model.keras 0 s" in frames
    assert "convert    ⠙ model.keras 0 s" in frames
    assert frames[-1] == "convert    done\n"
    assert "\x1b[" not in stream.shown.replace("\x1b[2K", "")


def test_colours_are_for_terminals_that_want_them() -> None:
    stream = Terminal()
    Progress(stream, terminal=True, color=True).line("verify", "refused", "bad")
    assert stream.shown == "\x1b[31mverify    \x1b[0m refused\n"


def test_a_stream_of_few_letters_gets_what_it_can_show() -> None:
    stream = Terminal("ascii")
    progress = Progress(stream, terminal=True, color=False)
    spin(progress)
    progress.line("gate", "R² at least 0.999")
    assert "| model.keras" in stream.shown
    assert stream.shown.endswith("gate       R? at least 0.999\n")


def test_the_spinner_stops_when_the_stage_fails() -> None:
    stream = Terminal()
    with (
        pytest.raises(ValueError, match="no"),
        Progress(stream, terminal=True, color=False).running("convert", "model.keras"),
    ):
        raise ValueError("no")
    before = stream.shown
    time.sleep(0.25)
    assert stream.shown == before
    assert before.endswith("\r\x1b[2K")
