"""The JSON of binary requests and answers, kept: a client's is the same again and again.

With a tensor beside it that JSON is short, but reading and writing it takes a fifth of a
millisecond in a thread whose caches the last inference has filled.
"""

from typing import NamedTuple

from twite.server.kept import Kept
from twite.server.oip_request import Asked, Wanted
from twite.server.oip_tensors import Shape
from twite.tensors import Tensors

MOST, LONGEST = 64, 4096


class AnswerKey(NamedTuple):
    """What decides the JSON of an answer of a model whose outputs are all numbers in binary."""

    wanted: Wanted
    kinds: tuple[tuple[Shape, str], ...]


class Heads:
    """Of one model; used by several threads."""

    __slots__ = ("_answers", "_asked")

    def __init__(self) -> None:
        self._asked: Kept[bytes, Asked] = Kept(MOST)
        self._answers: Kept[AnswerKey, bytes] = Kept(MOST)

    def asked(self, text: bytes) -> Asked | None:
        # Long JSON is never kept, and its hash would take longer than all this saves.
        return self._asked.get(text) if len(text) <= LONGEST else None

    def keep_asked(self, text: bytes, asked: Asked) -> None:
        """Keep what a request says where the next may well say the same."""
        is_binary = all(each.size is not None for each in asked.inputs)
        if is_binary and asked.wanted.id is None and len(text) <= LONGEST:
            self._asked.keep(text, asked)

    def answer(self, key: AnswerKey) -> bytes | None:
        return self._answers.get(key)

    def keep_answer(self, key: AnswerKey, head: bytes) -> None:
        if len(head) <= LONGEST:
            self._answers.keep(key, head)


def answer_key(outputs: Tensors, wanted: Wanted) -> AnswerKey | None:
    """None where the numbers or the id are in the JSON, which is a new one each time."""
    if wanted.id is not None:
        return None
    kinds: list[tuple[Shape, str]] = []
    for output in wanted.outputs:
        if output.classes or not output.is_binary:
            return None
        array = outputs[output.name]
        kinds.append((array.shape, array.dtype.char))
    return AnswerKey(wanted, tuple(kinds))
