"""Long flat lists of numbers in JSON, read piece by piece.

Parsed in one go, 150,000 numbers are 5 MB of objects that the caches and the allocator lose; those
of a piece are where the last one's were. Reading takes half the time and a seventh of the memory.
"""

import re
import struct
from collections.abc import Iterator
from math import prod
from os import urandom
from typing import Any

import numpy as np

from twite.server.documents import load
from twite.server.long_body import LONG
from twite.tensors import Array

PIECE = 8 * 1024
"""Its numbers, 24 bytes each as objects, fit the first cache."""

FEW = 16
"""How many brackets are looked at: nested lists have thousands, and no long flat one."""

_OPENING = re.compile(rb"\[")
_MARK = urandom(16).hex()
"""Stands for a list that was set apart. A client cannot know it, so it cannot stand elsewhere."""

_CODES = {"f": "d", "i": "q", "u": "Q"}


class NotPlain(Exception):
    """The JSON has to be parsed as a whole, perhaps only to say what is wrong with it."""


class LongNumbers:
    """A list of numbers as it was written, without its brackets."""

    __slots__ = ("_text",)

    def __init__(self, text: memoryview) -> None:
        self._text = text

    def read(self, shape: tuple[int, ...], kind: str, most: int) -> Array:
        """The numbers as an array of this shape; kind as in `numpy.dtype.kind`: int64 for i, uint64
        for u, float64 for f.

        Raises NotPlain for more than most of them, and for whatever is not such a number.
        """
        count, code = prod(shape), _CODES.get(kind, "")
        if not code or count > min(most, len(self._text)):
            raise NotPlain
        numbers = np.empty(count, code)
        start = 0
        try:
            for piece in self._pieces():
                entries = _entries(piece)
                struct.pack_into(f"{len(entries)}{code}", numbers.data, start * 8, *entries)
                start += len(entries)
        except (struct.error, ValueError, OverflowError, RecursionError):
            raise NotPlain from None
        if start != count:
            raise NotPlain
        return numbers.reshape(shape)

    def _pieces(self) -> Iterator[bytes]:
        """The text, cut at commas; each piece has brackets again."""
        rest = self._text
        while len(rest) > PIECE:
            piece = bytes(rest[:PIECE])
            end = piece.rfind(b",")
            if end < 0:
                raise NotPlain
            yield b"[%b]" % piece[:end]
            rest = rest[end + 1 :]
        yield b"[%b]" % bytes(rest)


def set_apart(text: memoryview) -> tuple[bytes, dict[str, LongNumbers]]:
    """JSON with a mark in the place of each long list that may be numbers, and the lists by mark.

    Raises NotPlain where there is none.
    """
    rest: list[bytes] = []
    found: dict[str, LongNumbers] = {}
    done = place = 0
    for _ in range(FEW):
        opening = _OPENING.search(text, place)
        if opening is None:
            break
        place = opening.end()
        end = _find_end(text, place)
        if end - place < LONG:
            continue
        mark = f"{_MARK}-{len(found)}"
        rest += (bytes(text[done:place]), f'"{mark}"'.encode())
        found[mark] = LongNumbers(text[place:end])
        done = place = end
    if not found:
        raise NotPlain
    return b"".join([*rest, bytes(text[done:])]), found


def _find_end(text: memoryview, start: int) -> int:
    """Where the first closing bracket from start on is, or the end; a near one is found at once."""
    step = 1024
    while start < len(text):
        if (found := bytes(text[start : start + step]).find(b"]")) >= 0:
            return start + found
        start, step = start + step, 64 * 1024
    return len(text)


def put_back(entries: object, key: str, found: dict[str, LongNumbers]) -> None:
    """Give each list to the entry that has its mark behind key; raises NotPlain for others."""
    left = set(found)
    for entry in entries if isinstance(entries, list) else ():
        value = entry.get(key) if isinstance(entry, dict) else None
        mark = value[0] if isinstance(value, list) and len(value) == 1 else None
        if isinstance(mark, str) and mark in left:
            left.remove(mark)
            entry[key] = found[mark]
    if left:
        raise NotPlain


def _entries(piece: bytes) -> list[Any]:
    """The entries of a piece; what is no number `struct` refuses, but for booleans."""
    if piece.find(b"u") >= 0 or piece.find(b"l") >= 0:
        raise NotPlain
    entries = load(piece)
    if not isinstance(entries, list) or not entries:
        raise NotPlain
    return entries
