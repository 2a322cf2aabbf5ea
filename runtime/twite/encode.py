"""A prediction to the bytes of an answer."""

import json

from twite.errors import RequestError

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(prediction: object) -> bytes:
    """`{"prediction": …}` as UTF-8 JSON.

    Raises RequestError when the model answered NaN or infinity, which JSON cannot say.
    """
    try:
        return _encoder.encode({"prediction": prediction}).encode()
    except ValueError as error:
        raise RequestError(
            "the model answered NaN or infinity for this input; JSON has no such number"
        ) from error


def encode_error(message: str) -> bytes:
    return _encoder.encode({"error": message}).encode()
