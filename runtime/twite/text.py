"""Text to the numbers of its words, by hashing: no vocabulary to keep, the same everywhere."""

import re
from itertools import islice
from zlib import crc32

import numpy as np

from twite.errors import RequestError
from twite.manifest import TextPreprocessing
from twite.tensors import Array

PADDING = 0

# Letters and digits of every script; the underscore parts words.
_words = re.compile(r"[^\W_]+").finditer


def tokens(text: str, how: TextPreprocessing) -> list[int]:
    """`length` numbers from 1 to buckets - 1, one a word; PADDING after the last word."""
    words = _words(text.lower() if how.lowercase else text)
    numbers = [
        1 + crc32(word.group().encode()) % (how.buckets - 1) for word in islice(words, how.length)
    ]
    return numbers + [PADDING] * (how.length - len(numbers))


def encode_texts(texts: list[str], how: TextPreprocessing) -> Array:
    """(N, length) int32."""
    return np.array([tokens(text, how) for text in texts], np.int32)


def check_tokens(array: Array, how: TextPreprocessing) -> None:
    """Raise RequestError when a number that was sent instead of text is no word's number."""
    wrong = (array < 0) | (array >= how.buckets)
    if wrong.any():
        number = array[wrong].flat[0]
        raise RequestError(
            f"the word number {number} came; this bundle has 0 (padding) to {how.buckets - 1}: "
            'send the text itself, {"text": "…"}'
        )
