"""Quick looks at JSON: whether it holds true or false, and how many brackets."""

import pytest

from twite.json_text import FEW, SHORT, count_up_to, holds_booleans


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
@pytest.mark.parametrize("more", [0, SHORT])
def test_booleans_are_found_anywhere(text: bytes, more: int) -> None:
    assert holds_booleans(text + b" " * more)
    assert holds_booleans(b"1," * more + text)


@pytest.mark.parametrize(
    "text", [b"", b"u", b"l", b"tru", b"fal se", b"u" * FEW * 2, b'{"inputs":[1.5e3,-2,null]}']
)
@pytest.mark.parametrize("more", [0, SHORT])
def test_numbers_are_no_booleans(text: bytes, more: int) -> None:
    assert not holds_booleans(text + b"," * more)


@pytest.mark.parametrize(("text", "found"), [(b"", 0), (b"a", 0), (b"[[", 2), (b"[" * 9, 4)])
def test_a_count_ends_one_above_the_most(text: bytes, found: int) -> None:
    assert count_up_to(text, b"[", 3) == found
