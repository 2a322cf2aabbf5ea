"""Where the answers of records go: a bucket, a queue, or the log alone.

TWITE_RESULTS is `s3://BUCKET/PREFIX` or the address of an SQS queue.
"""

import json
import os
from functools import lru_cache
from typing import Any, NamedTuple

from telemetry import write
from twite.errors import TwiteError, UsageError


class Place(NamedTuple):
    """A bucket with a prefix, or a queue's address in bucket's stead."""

    bucket: str
    prefix: str
    queue: str


def results_place() -> Place | None:
    """Raises UsageError for a TWITE_RESULTS that is neither a bucket nor a queue."""
    text = os.environ.get("TWITE_RESULTS", "")
    if not text:
        return None
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if text.startswith("s3://") and bucket:
        return Place(bucket, f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else "", "")
    if text.startswith(("https://", "http://")):
        return Place("", "", text)
    raise UsageError(
        f"TWITE_RESULTS is '{text}'; it must be s3://BUCKET/PREFIX or the URL of an SQS queue"
    )


def is_result(place: Place | None, bucket: str, key: str) -> bool:
    """Whether this object is an answer of ours: without this the function would call itself.

    Raises UsageError when the answers would lie among the objects that are asked about.
    """
    if place is None or place.bucket != bucket:
        return False
    if not place.prefix:
        raise UsageError(
            f"TWITE_RESULTS is s3://{bucket}, where the objects come from: every answer would be "
            "asked about again; give it a prefix that the notification leaves out"
        )
    return key.startswith(place.prefix)


def deliver(place: Place | None, name: str, answer: bytes | dict[str, object]) -> None:
    """Send the answer on; raises TwiteError when it does not arrive."""
    text = answer.decode() if isinstance(answer, bytes) else json.dumps(answer)
    if place is None:
        write("INFO", "answer", name=name, answer=json.loads(text))
        return
    kind = "sqs" if place.queue else "s3"
    service, failure = client(kind)
    try:
        if place.queue:
            message = json.dumps({"name": name, **json.loads(text)})
            service.send_message(QueueUrl=place.queue, MessageBody=message)
        else:
            key, media = f"{place.prefix}{name}.json", "application/json"
            service.put_object(Bucket=place.bucket, Key=key, Body=text, ContentType=media)
    except failure as error:
        where = place.queue or f"s3://{place.bucket}/{place.prefix}"
        raise TwiteError(f"the answer to {name} does not reach {where}: {error}") from error


@lru_cache
def client(kind: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """The service's client and what its calls raise; raises UsageError where boto3 is missing."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed, so nothing can be read from or written to "
            f"{kind.upper()}: add boto3 to the image (docs/lambda.md); Lambda's own Python has it"
        ) from error
    return boto3.client(kind), (BotoCoreError, ClientError)
