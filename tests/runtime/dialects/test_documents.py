"""What is JSON: the same with orjson and without it."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from twite.encode import write_json
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


@pytest.mark.parametrize(
    "value",
    [{"a": [1, -2.5e3, True, None, "ä\n\x7f"]}, [1e-7, 1e22, 0.1, -0.0], {"n": 2**80}, "null"],
)
def test_what_is_written_reads_the_same_with_and_without_orjson(value: object) -> None:
    long, short = (write_json(value, is_long=is_long) for is_long in (True, False))
    assert json.loads(long) == json.loads(short) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("is_long", [True, False])
def test_nan_is_refused_and_never_null(number: float, is_long: bool) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json({"a": [[1.0, number]]}, is_long=is_long)
