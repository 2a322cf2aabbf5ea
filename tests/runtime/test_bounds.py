"""What one request may hold, and that orjson changes nothing."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from twite.bounds import Bounds
from twite.bundle import load
from twite.decode import LARGE, decode, request_format
from twite.errors import BodyTooLarge, RequestError
from twite.model import Model

JSON = "application/json"
TIGHT = Bounds(batch=3, json_depth=4, json_numbers=50)


@pytest.mark.parametrize(
    "body",
    [
        b"[[[[]]]]",
        b'{"a": [[{}]]}',
        b'{"a": "[[[[[[[[[[", "b": "\\"[[[[[[[["}',
        b"[" + b"[1]," * 40 + b"[1]]",
        b"[[[[[[[[",
        b'{"a": "' + b"[" * 20_000 + b'"}',
        b"1," * 20,
    ],
)
def test_what_is_within_the_bounds_is_left_to_the_parser(body: bytes) -> None:
    if body != b"[[[[[[[[":
        TIGHT.check_json(body)


@pytest.mark.parametrize("body", [b"[[[[[]]]]]", b'[1, {"a": [{"b": [1, 2]}]}]', b"[" * 30_000])
def test_a_deep_body_is_refused(body: bytes) -> None:
    with pytest.raises(
        RequestError, match="too deep .*: 4 levels are the most .TWITE_MAX_JSON_DEPTH"
    ):
        TIGHT.check_json(body)


def test_too_many_numbers_are_refused_unparsed() -> None:
    with pytest.raises(BodyTooLarge, match="more than 50 entries .TWITE_MAX_JSON_NUMBERS"):
        TIGHT.check_json(b"[" + b"1," * 60 + b"nonsense")


def test_a_batch_beyond_the_bound_is_refused(bundles: Path) -> None:
    model = Model(load(bundles / "iris"), bounds=TIGHT)
    assert len(model.decode(b'{"features": [[1,2,3],[1,2,3],[1,2,3]]}', JSON).tensors) == 1
    with pytest.raises(BodyTooLarge, match="4 samples came; one request may have 3"):
        model.decode(json.dumps({"features": [[1, 2, 3]] * 4}).encode(), JSON)


def test_pictures_beyond_the_bound_are_refused_before_they_are_decoded(bundles: Path) -> None:
    model = Model(load(bundles / "digits"), bounds=TIGHT)
    part = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\nno\r\n'
    with pytest.raises(BodyTooLarge, match="4 samples came"):
        model.decode(part * 4 + b"--x--\r\n", "multipart/form-data; boundary=x")


def outcome(bundle: Path, body: bytes) -> str:
    wanted = request_format(load(bundle).manifest)
    try:
        decoded = decode(body, JSON, wanted)
    except RequestError as error:
        return f"{type(error).__name__}: {error}"
    return str([(name, each.dtype, each.tobytes()) for name, each in decoded.tensors.items()])


def test_a_large_body_decodes_as_a_small_one(bundles: Path) -> None:
    """White space makes the difference: below LARGE json reads, above it orjson."""
    numbers = ["1", "-0.0", "1e400", "NaN", "-1e-400", "1e5", "18446744073709551616", "9" * 400]
    numbers += ["true", "null", '"1"', "[1]", "01", "1.", '"\\ud800"', "1 2", "0.1" * 9]
    random.seed(7)
    numbers += [repr(random.uniform(-1, 1) * 10 ** random.randint(-300, 300)) for _ in range(50)]
    for number in numbers:
        body = b'{"features": [[1, %b, 3]]}' % number.encode()
        large = body + b" " * LARGE
        assert outcome(bundles / "iris", large) == outcome(bundles / "iris", body)
    pixels = np.arange(784).reshape(28, 28, 1) % 256
    body = json.dumps({"features": pixels.tolist()}).encode()
    tight = json.dumps({"features": pixels.tolist()}, separators=(",", ":")).encode()
    assert outcome(bundles / "digits", body) == outcome(bundles / "digits", tight)
