"""Whether a body holds true or false, found by letters that numbers do not have."""

import pytest

from twite.server.numbers import FEW, holds_booleans


@pytest.mark.parametrize(
    "text",
    [
        b"true",
        b"false",
        b'{"inputs":[{"data":[1,2,true]}]}',
        b'{"outputs":[1,0.5e-3,false]}',
        b"u" * FEW * 2 + b"true",
        b"l" * FEW * 2 + b"false",
        b"u" + b"1," * 1000 + b"true",
    ],
)
def test_booleans_are_found_anywhere(text: bytes) -> None:
    assert holds_booleans(text)


@pytest.mark.parametrize(
    "text", [b"", b"u", b"l", b"tru", b"fal se", b"u" * FEW * 2, b'{"inputs":[1.5e3,-2,null]}']
)
def test_numbers_are_no_booleans(text: bytes) -> None:
    assert not holds_booleans(text)
