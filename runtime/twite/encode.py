"""A prediction to the bytes of an answer."""

import json

from twite.errors import RequestError
from twite.fast_json import orjson

LONG = 256
"""From so many numbers on an answer is worth orjson's import."""

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def write_json(value: object, *, is_long: bool) -> bytes:
    """Compact UTF-8 JSON; raises ValueError on NaN and infinity, which JSON cannot say."""
    if is_long and (fast := orjson()):
        try:
            text: bytes = fast.dumps(value)
        except TypeError:
            # Half a surrogate pair or a whole number beyond 64 bits, which json writes or refuses.
            text = b"null"
        # It writes null for NaN too.
        if b"null" not in text:
            return text
    return _encoder.encode(value).encode()


def encode(prediction: object, *, numbers: int = 0) -> bytes:
    """`{"prediction": …}` as UTF-8 JSON; numbers says about how many it holds.

    Raises RequestError when the model answered NaN or infinity, which JSON cannot say.
    """
    try:
        return write_json({"prediction": prediction}, is_long=numbers >= LONG)
    except ValueError as error:
        raise RequestError(
            "the model answered NaN or infinity for this input; JSON has no such number"
        ) from error


def encode_error(message: str) -> bytes:
    return write_json({"error": message}, is_long=False)
