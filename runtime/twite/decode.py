"""The first stage: the body of a request to tensors, whatever it was sent as.

JSON features and tensors, pictures (raw or as a form) and `.npy`. Everything that is wrong with a
request ends here as a RequestError that says what came and what was wanted.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twite.arrays import (
    conform,
    from_nested,
    is_number,
    name_json,
    only_numbers,
    plain_row,
    with_batch,
)
from twite.bounds import DEFAULT_BOUNDS, Bounds
from twite.errors import RequestError, ShapeMismatch, UnsupportedMedia
from twite.fast_json import orjson
from twite.fields import spell, suggestion
from twite.frames import Frame
from twite.json_text import holds_booleans
from twite.manifest import (
    FeaturePreprocessing,
    ImagePreprocessing,
    Manifest,
    TextPreprocessing,
)
from twite.npy import read_npy
from twite.tensors import Tensors, TensorSpec

JSON, FORM, NPY = "application/json", "multipart/form-data", "application/x-npy"
TEXT = "text/plain"

CURL_DEFAULT = "application/x-www-form-urlencoded"

LARGE = 4096
"""From this size in bytes on orjson reads JSON, where it is installed: it would cost a start more
than it gains for a row of features."""

_parse_json = json.JSONDecoder().decode


class RequestFormat(NamedTuple):
    """What a request must decode to, made once a bundle.

    inputs are the decoded ones: a picture is uint8 (N, height, width, channels), the rest what the
    model itself takes. columns name the features of a row; row is the name and the length of the
    only input where that is (N, length) float32.
    """

    inputs: tuple[TensorSpec, ...]
    image: ImagePreprocessing | None = None
    columns: tuple[str, ...] = ()
    nonfinite_allowed: bool = False
    text: TextPreprocessing | None = None
    bounds: Bounds = DEFAULT_BOUNDS
    row: tuple[str, int] = ("", 0)

    @property
    def content_types(self) -> tuple[str, ...]:
        """What a request may be sent as; only JSON can carry several inputs."""
        if len(self.inputs) != 1:
            return (JSON,)
        if self.image is not None:
            return (JSON, FORM, "image/*", NPY)
        return (JSON, NPY) if self.text is None else (JSON, TEXT, NPY)


class Decoded(NamedTuple):
    """Every tensor with its batch dimension; is_batch is False where the caller sent none.

    frames say where each picture's pixels came from; there are none where pixels were sent as such.
    """

    tensors: Tensors
    is_batch: bool
    frames: tuple[Frame, ...] = ()


def request_format(manifest: Manifest, bounds: Bounds = DEFAULT_BOUNDS) -> RequestFormat:
    wanted = _request_format(manifest, bounds)
    spec = wanted.inputs[0]
    if len(wanted.inputs) > 1 or spec.dtype != "float32" or not spec.is_batched:
        return wanted
    return wanted._replace(row=(spec.name, spec.shape[1])) if len(spec.shape) == 2 else wanted


def _request_format(manifest: Manifest, bounds: Bounds) -> RequestFormat:
    how = manifest.preprocessing
    if isinstance(how, ImagePreprocessing):
        pixels = TensorSpec(how.input, "uint8", (-1, how.height, how.width, how.channels))
        inputs = tuple(pixels if spec.name == how.input else spec for spec in manifest.inputs)
        return RequestFormat(inputs, image=how, bounds=bounds)
    allowed = how.nonfinite == "allow"
    if isinstance(how, FeaturePreprocessing):
        inputs = tuple(_real(spec) if spec.name == how.input else spec for spec in manifest.inputs)
        return RequestFormat(inputs, None, how.columns, allowed, bounds=bounds)
    text = how if isinstance(how, TextPreprocessing) else None
    return RequestFormat(manifest.inputs, None, (), allowed, text, bounds)


def _real(spec: TensorSpec) -> TensorSpec:
    """Features are real values also where the model takes integers that stand for them."""
    return TensorSpec(spec.name, "float32", spec.shape) if spec.quantization else spec


def decode(body: bytes, content_type: str, wanted: RequestFormat) -> Decoded:
    """The request's tensors; raises RequestError and its kinds, and nothing else."""
    if content_type == JSON:
        return _from_json(body, wanted)
    media = content_type.partition(";")[0].strip().lower()
    kind = "image/*" if media.startswith("image/") else media
    if kind not in wanted.content_types:
        came = f"the content type {spell(media)}" if media else "no content type"
        takes = ", ".join(wanted.content_types)
        hint = "; with curl, send JSON with --json" if media == CURL_DEFAULT else ""
        raise UnsupportedMedia(f"{came} came; this bundle takes {takes}{hint}")
    if kind == JSON:
        return _from_json(body, wanted)
    if not body:
        raise RequestError(f"the body is empty; it must hold {media}")
    if kind == NPY:
        return _checked(_from_npy(body, wanted), wanted)
    if kind == TEXT:
        return _from_text(_plain_text(body, content_type), wanted)
    return _from_pictures(body, content_type, wanted)


def decode_value(value: object, wanted: RequestFormat) -> Decoded:
    """As `decode` of JSON that somebody else has parsed, as Lambda does with an event."""
    if row := _one_row(value, wanted):
        return row
    try:
        quotes = None
        if isinstance(value, dict) and value.keys() <= {"features", "inputs"}:
            quotes = _promised_quotes(value, len(wanted.inputs))
        return _from_table(value, wanted, quotes)
    except RecursionError as error:
        raise RequestError("the body is JSON nested too deep to be a tensor") from error


def _one_row(table: object, wanted: RequestFormat) -> Decoded | None:
    """The most frequent request, one row of numbers, in a few steps; None for all others."""
    name, length = wanted.row
    if not length or type(table) is not dict or len(table) != 1:
        return None
    row = plain_row(table.get("features"), length)
    return None if row is None else Decoded({name: row}, False)


def _promised_quotes(table: dict[str, object], inputs: int) -> int | None:
    """As many as the body would have, were its keys its only texts; None where they are not."""
    if "inputs" not in table:
        return 2 if all(map(only_numbers, table.values())) else None
    named = table["inputs"]
    is_numeric = isinstance(named, dict) and all(map(only_numbers, named.values()))
    return 2 + 2 * inputs if is_numeric else None


def _from_json(body: bytes, wanted: RequestFormat) -> Decoded:
    wanted.bounds.check_json(body)
    table = _parse(body)
    if row := _one_row(table, wanted):
        return row
    quotes = None if holds_booleans(body) else body.count(b'"')
    return _from_table(table, wanted, quotes)


def _from_table(table: object, wanted: RequestFormat, quotes: int | None) -> Decoded:
    """quotes counts those of a body without booleans; it tells whether only keys are texts."""
    if not isinstance(table, dict):
        raise RequestError(f"the body is {name_json(table)}; it must be {_example(wanted)}")
    if len(table) != 1 or not table.keys() <= {"features", "inputs"}:
        if wanted.text is not None and table.keys() == {"text"}:
            return _from_text(table["text"], wanted)
        _refuse_keys(table, wanted)
    if "inputs" in table:
        is_numeric = quotes == 2 + 2 * len(wanted.inputs)
        return _checked(_from_inputs(table["inputs"], wanted, is_numeric), wanted)
    return _checked(_from_features(table["features"], wanted, quotes == 2), wanted)


def _checked(decoded: Decoded, wanted: RequestFormat) -> Decoded:
    """Numbers of words that came instead of text must be some: an engine trusts them."""
    if wanted.text is not None:
        from twite.text import check_tokens

        check_tokens(decoded.tensors[wanted.text.input], wanted.text)
    return decoded


def _from_text(value: object, wanted: RequestFormat) -> Decoded:
    from twite.text import encode_texts

    if wanted.text is None or len(wanted.inputs) != 1:
        raise RequestError(f"this bundle takes no text alone; it must be {_example(wanted)}")
    is_batch = isinstance(value, list)
    wanted.bounds.check_batch(len(value) if isinstance(value, list) else 1)
    texts: list[str] = []
    for i, text in enumerate(value if isinstance(value, list) else [value]):
        if not isinstance(text, str):
            where = f"text[{i}]" if is_batch else "text"
            raise RequestError(f"{where} is {name_json(text)}; it must be text")
        texts.append(text)
    if not texts:
        raise RequestError("text is an empty list; it must hold at least one text")
    return Decoded({wanted.text.input: encode_texts(texts, wanted.text)}, is_batch)


def _plain_text(body: bytes, content_type: str) -> str:
    charset = content_type.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if charset not in ("", "utf-8", "us-ascii"):
        raise UnsupportedMedia(f"the charset {spell(charset)} came; text must be UTF-8")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"the text is not UTF-8 at byte {error.start}") from error


def _parse(body: bytes) -> object:
    if len(body) >= LARGE and (fast := orjson()):
        try:
            # Whole numbers beyond 64 bits come as doubles, which is what numpy makes of them.
            return fast.loads(body)
        except ValueError:
            # Not JSON, or what json reads and orjson does not: NaN, 1e400, a lone surrogate.
            return _parse_slowly(body)
    return _parse_slowly(body)


def _parse_slowly(body: bytes) -> object:
    try:
        value: object = _parse_json(body.decode())
    except UnicodeDecodeError as error:
        message = f"the body is not JSON: byte {error.start} is not UTF-8"
        raise RequestError(message) from error
    except json.JSONDecodeError as error:
        if not body.strip():
            raise RequestError("the body is empty; it must be a JSON object") from error
        place = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"the body is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise RequestError("the body is JSON nested too deep to be a tensor") from error
    except ValueError as error:
        # What is left is CPython's limit on the digits of one whole number.
        raise RequestError(f"the body holds a number that cannot be read: {error}") from error
    return value


def _refuse_keys(table: dict[str, object], wanted: RequestFormat) -> None:
    known = ("features", "inputs") if wanted.text is None else ("text", "features", "inputs")
    for key in table:
        if key not in known:
            hint = suggestion(key[:40], known)
            raise RequestError(f"the body has an unknown key {spell(key[:60])}{hint}")
    came = " and ".join(f"'{key}'" for key in table) or "neither 'features' nor 'inputs'"
    came = came if len(table) != 2 else f"both {came}"
    raise RequestError(f"the body has {came}; it must be {_example(wanted)}")


def _example(wanted: RequestFormat) -> str:
    """The JSON that this bundle takes, by its shape."""
    inputs = ", ".join(f'"{spec.name}": [[...]]' for spec in wanted.inputs)
    tensors = f'{{"inputs": {{{inputs}}}}}'
    if wanted.text is not None and len(wanted.inputs) == 1:
        return f'{{"text": "..."}} or {tensors}'
    return f'{{"features": [[...]]}} or {tensors}' if len(wanted.inputs) == 1 else tensors


def _from_features(value: object, wanted: RequestFormat, is_numeric: bool) -> Decoded:
    if len(wanted.inputs) != 1:
        names = ", ".join(spec.name for spec in wanted.inputs)
        message = f"'features' is for models of one input; this one has {names}"
        raise RequestError(f"{message}: send {_example(wanted)}")
    if wanted.columns and _has_objects(value):
        value, is_numeric = _in_columns(value, wanted.columns), True
    spec = wanted.inputs[0]
    array = from_nested(
        value,
        spec,
        "features",
        nonfinite_allowed=wanted.nonfinite_allowed,
        numbers_only=is_numeric,
    )
    batch, is_batch = with_batch(array, spec, "features")
    return Decoded({spec.name: batch}, is_batch)


def _has_objects(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )


def _in_columns(value: object, columns: Sequence[str]) -> object:
    if isinstance(value, list):
        return [_row(item, columns, f"features[{i}]") for i, item in enumerate(value)]
    return _row(value, columns, "features")


def _row(value: object, columns: Sequence[str], where: str) -> list[object]:
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {name_json(value)}; it must be an object, as the others")
    if len(value) != len(columns) or not all(name in value for name in columns):
        _refuse_names(value, columns, where, "column")
    for name in columns:
        if not is_number(value[name]):
            message = f"{where}.{name} is {name_json(value[name])}; it must be a number"
            raise RequestError(message)
    return [value[name] for name in columns]


def _refuse_names(table: dict[str, object], names: Sequence[str], where: str, what: str) -> None:
    for name in table:
        if name not in names:
            hint = suggestion(name[:40], names)
            raise RequestError(f"{where} has an unknown {what} {spell(name[:60])}{hint}")
    lacking = ", ".join(f"'{name}'" for name in names if name not in table)
    raise RequestError(f"{where} lacks the {what} {lacking}")


def _from_inputs(value: object, wanted: RequestFormat, is_numeric: bool) -> Decoded:
    if not isinstance(value, dict):
        raise RequestError(f"inputs is {name_json(value)}; send {_example(wanted)}")
    names = [spec.name for spec in wanted.inputs]
    if value.keys() != set(names):
        _refuse_names(value, names, "inputs", "input")
    tensors: Tensors = {}
    batched: dict[str, bool] = {}
    for spec in wanted.inputs:
        where = f"input '{spec.name}'"
        array = from_nested(
            value[spec.name],
            spec,
            where,
            nonfinite_allowed=wanted.nonfinite_allowed,
            numbers_only=is_numeric,
        )
        tensors[spec.name], is_batch = with_batch(array, spec, where)
        if spec.is_batched:
            batched[spec.name] = is_batch
    _check_batches(tensors, batched)
    return Decoded(tensors, all(batched.values()))


def _check_batches(tensors: Tensors, batched: dict[str, bool]) -> None:
    counts = {name: tensors[name].shape[0] if batched[name] else 0 for name in batched}
    if len(set(counts.values())) > 1:
        came = ", ".join(f"'{name}' {n or 'no batch'}" for name, n in counts.items())
        raise ShapeMismatch(f"the inputs differ in their number of samples: {came}")


def _from_npy(body: bytes, wanted: RequestFormat) -> Decoded:
    spec, array = wanted.inputs[0], read_npy(body)
    if array.dtype.kind == "f" and np.dtype(spec.dtype).kind != "f":
        raise ShapeMismatch(f"the .npy array is {array.dtype}; the model takes {spec}")
    where = "array"
    array = conform(array, spec, where, nonfinite_allowed=wanted.nonfinite_allowed)
    batch, is_batch = with_batch(array, spec, where)
    return Decoded({spec.name: np.ascontiguousarray(batch)}, is_batch)


def _from_pictures(body: bytes, content_type: str, wanted: RequestFormat) -> Decoded:
    if wanted.image is None:
        raise UnsupportedMedia("this bundle takes no pictures")
    try:
        from twite.images import decode_framed
        from twite.multipart import image_parts
    except ImportError as error:
        message = f"{error.name} is not installed, so no picture can be read"
        raise UnsupportedMedia(f'{message}: pip install "twite[image]"') from error
    is_form = not content_type.strip().lower().startswith("image/")
    parts = image_parts(body, content_type) if is_form else [body]
    wanted.bounds.check_batch(len(parts))
    pictures = [decode_framed(part, wanted.image) for part in parts]
    first = pictures[0][0]
    batch = first[None] if len(pictures) == 1 else np.stack([pixels for pixels, _ in pictures])
    frames = tuple(frame for _, frame in pictures)
    return Decoded({wanted.image.input: batch}, len(pictures) > 1, frames)
