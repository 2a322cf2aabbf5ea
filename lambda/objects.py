"""Objects of an S3 bucket: each is a request body, its content type the object's own."""

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from results import client, deliver, is_result, results_place
from telemetry import Context
from twite.errors import BodyTooLarge, RequestError, TwiteError

if TYPE_CHECKING:
    from function import Function

Record = dict[str, Any]

KINDS = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
KINDS |= {"json": "application/json", "npy": "application/x-npy"}
"""By the name's ending, for objects that were put without a content type."""


def answer_objects(
    records: list[Record], function: "Function", context: Context
) -> dict[str, list[str]]:
    """Answer each new object and deliver its prediction; the keys that were answered.

    Raises TwiteError at the end when some failed, naming them: Lambda then tries the event again
    and hands it to the function's on-failure destination.
    """
    place = results_place()
    answered, failed = [], []
    for record in records:
        bucket, key = _name(record)
        if is_result(place, bucket, key):
            continue
        try:
            deliver(place, key, predict_object(bucket, key, function))
        except TwiteError as error:
            failed.append(f"s3://{bucket}/{key}: {error}")
            code, message = error.status, str(error)
        else:
            answered.append(key)
            code, message = 200, ""
        took_s = function.inference.took_s()
        function.telemetry.request(f"s3://{bucket}/{key}", context, code, took_s, message)
    if failed:
        raise TwiteError(f"{len(failed)} of {len(records)} objects failed: {'; '.join(failed)}")
    return {"answered": answered}


def predict_object(bucket: str, key: str, function: "Function") -> bytes:
    """The JSON document of an answer."""
    body, content_type = _fetch(bucket, key, function.settings.max_body_bytes)
    model = function.inference.model
    decoded = model.decode(body, content_type)
    outputs = function.inference.run(decoded.tensors)
    return model.answer(outputs, is_batch=decoded.is_batch)


def _name(record: Record) -> tuple[str, str]:
    try:
        s3 = record["s3"]
        # Keys arrive as in a form: a space is a plus.
        return str(s3["bucket"]["name"]), unquote_plus(s3["object"]["key"])
    except (KeyError, TypeError) as error:
        message = "the record of aws:s3 has no s3.bucket.name or s3.object.key"
        raise RequestError(message) from error


def _fetch(bucket: str, key: str, most: int) -> tuple[bytes, str]:
    """Bytes and content type; raises BodyTooLarge before anything is read, TwiteError from S3."""
    s3, failure = client("s3")
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
    except failure as error:
        raise TwiteError(f"S3 gives no s3://{bucket}/{key}: {error}") from error
    size = found["ContentLength"]
    if size > most:
        raise BodyTooLarge(
            f"the object has {size} bytes; this function takes up to {most} (TWITE_MAX_BODY_BYTES)"
        )
    kind = found.get("ContentType") or ""
    if kind in ("", "binary/octet-stream", "application/octet-stream"):
        kind = KINDS.get(key.rpartition(".")[2].lower(), kind)
    return found["Body"].read(), kind
