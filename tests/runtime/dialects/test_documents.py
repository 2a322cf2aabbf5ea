"""What is JSON: the same with orjson and without it."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from twite.server.documents import _standard, dump, parse_object

PARSERS = (orjson.loads, _standard)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("body", [b'{"a": NaN}', b"[Infinity]", b"[1,]", b"", b"\xff", b"{'a': 1}"])
def test_what_is_no_json_is_refused(parse: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse(body)


@pytest.mark.parametrize("body", [b'{"a": [1, -2.5e3, true, null, "\\u00e4"]}', b'{"a":1,"a":2}'])
def test_both_parsers_read_the_same(body: bytes) -> None:
    assert orjson.loads(body) == _standard(body) == parse_object(body)


def test_nan_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        dump({"a": float("nan")})
    assert dump({"ä": [1.5]}) == '{"ä":[1.5]}'.encode()
