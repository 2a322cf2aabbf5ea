"""Progress: one line a finished stage, and on a terminal a spinner for the running one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal, TextIO

Tone = Literal["plain", "good", "bad", "warning"]

_COLORS: dict[Tone, str] = {"plain": "1", "good": "32", "bad": "31", "warning": "33"}
_FRAMES, _PLAIN_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_INTERVAL_S = 0.1
_CLEAR_LINE = "\r\x1b[2K"
_STAGE_WIDTH = 10


class Progress:
    """Writes to stream; terminal allows the spinner, color the colours."""

    def __init__(self, stream: TextIO, *, terminal: bool, color: bool) -> None:
        self._stream, self._terminal = stream, terminal
        self._color = color and terminal

    def line(self, stage: str, text: str, tone: Tone = "plain") -> None:
        """One finished stage; the stage's name is padded so that the texts align."""
        name = stage.ljust(_STAGE_WIDTH)
        if self._color:
            name = f"\x1b[{_COLORS[tone]}m{name}\x1b[0m"
        self._write(f"{name} {text}\n")

    @contextmanager
    def running(self, stage: str, text: str) -> Iterator[None]:
        """A spinner and the seconds so far while the block runs; nothing elsewhere."""
        if not self._terminal:
            yield
            return
        ended = threading.Event()
        spinner = threading.Thread(target=self._spin, args=(stage, text, ended), daemon=True)
        spinner.start()
        try:
            yield
        finally:
            ended.set()
            spinner.join()
            self._write(_CLEAR_LINE)

    def _spin(self, stage: str, text: str, ended: threading.Event) -> None:
        start, frames = monotonic(), self._frames()
        while not ended.is_set():
            elapsed_s = monotonic() - start
            frame = frames[int(elapsed_s / _INTERVAL_S) % len(frames)]
            name = stage.ljust(_STAGE_WIDTH)
            self._write(f"{_CLEAR_LINE}{name} {frame} {text} {elapsed_s:.0f} s")
            ended.wait(_INTERVAL_S)

    def _frames(self) -> str:
        is_unicode = (self._stream.encoding or "").lower().replace("-", "").startswith("utf")
        return _FRAMES if is_unicode else _PLAIN_FRAMES

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()
