"""Text to word numbers, and requests that carry text."""

import json
from zlib import crc32

import numpy as np
import pytest

from twite.decode import RequestFormat, decode
from twite.errors import BodyTooLarge, RequestError, UnsupportedMedia
from twite.manifest import TextPreprocessing
from twite.tensors import TensorSpec
from twite.text import tokens

HOW = TextPreprocessing("text", "words", length=5, buckets=100)
WANTED = RequestFormat((TensorSpec("words", "int32", (-1, 5)),), text=HOW)


def number(word: str) -> int:
    return 1 + crc32(word.encode()) % 99


def test_words_are_runs_of_letters_and_digits_of_any_script() -> None:
    assert tokens("Grüße, an_42 日本!", HOW) == [
        *(number(word) for word in ("grüße", "an", "42", "日本")),
        0,
    ]


def test_a_text_is_cut_and_padded() -> None:
    assert tokens("a b c d e f g", HOW) == [number(word) for word in "abcde"]
    assert tokens("", HOW) == [0] * 5


def test_case_counts_only_where_the_bundle_says_so() -> None:
    assert tokens("FREE", HOW) == tokens("free", HOW)
    cased = HOW._replace(lowercase=False)
    assert tokens("FREE", cased) != tokens("free", cased)


def test_every_number_is_below_the_buckets() -> None:
    few = HOW._replace(buckets=3)
    assert {tokens(str(i), few)[0] for i in range(50)} == {1, 2}
    assert tokens("any", HOW._replace(buckets=2))[0] == 1


def test_one_text_is_no_batch_and_a_list_is_one() -> None:
    one = decode(b'{"text": "a b"}', "application/json", WANTED)
    assert (one.tensors["words"].shape, one.is_batch) == ((1, 5), False)
    assert one.tensors["words"].dtype == np.int32
    two = decode(b'{"text": ["a", "b"]}', "application/json", WANTED)
    assert (two.tensors["words"].shape, two.is_batch) == ((2, 5), True)


def test_plain_text_is_a_text() -> None:
    sent = decode("größer".encode(), "text/plain; charset=UTF-8", WANTED)
    assert sent.tensors["words"][0].tolist() == tokens("größer", HOW)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": 3}, "text is .*3.*; it must be text"),
        ({"text": ["a", None]}, r"text\[1\] is .*; it must be text"),
        ({"text": []}, "text is an empty list"),
        ({"text": "a", "features": [1]}, "has both 'text' and 'features'; it must be .\"text\""),
        ({"texts": "a"}, "unknown key 'texts'; did you mean 'text'"),
        ({"features": [1, 2, 3, 4, 100]}, "word number 100 came; this bundle has 0"),
        ({"inputs": {"words": [[1, 2, 3, 4, -1]]}}, "word number -1 came"),
    ],
)
def test_refuses_what_is_no_text(body: object, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        decode(json.dumps(body).encode(), "application/json", WANTED)


def test_refuses_more_texts_than_a_request_may_have() -> None:
    with pytest.raises(BodyTooLarge, match="1025 samples came"):
        decode(json.dumps({"text": ["a"] * 1025}).encode(), "application/json", WANTED)


def test_refuses_bytes_that_are_not_the_text_they_claim_to_be() -> None:
    with pytest.raises(RequestError, match="not UTF-8 at byte 1"):
        decode(b"a\xff", "text/plain", WANTED)
    with pytest.raises(UnsupportedMedia, match="charset 'latin-1' came"):
        decode(b"a", 'text/plain; charset="latin-1"', WANTED)


def test_a_lone_surrogate_in_json_is_no_word() -> None:
    sent = decode(b'{"text": "\\ud800 a"}', "application/json", WANTED)
    assert sent.tensors["words"][0].tolist() == tokens("a", HOW)


def test_a_bundle_of_features_takes_no_text() -> None:
    features = RequestFormat((TensorSpec("x", "float32", (-1, 2)),))
    with pytest.raises(RequestError, match="unknown key 'text'"):
        decode(b'{"text": "a"}', "application/json", features)
    with pytest.raises(UnsupportedMedia, match="'text/plain' came"):
        decode(b"a", "text/plain", features)
