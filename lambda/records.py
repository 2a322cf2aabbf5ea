"""Batches of records: messages of an SQS queue, objects of an S3 bucket."""

import json
from typing import TYPE_CHECKING, Any

from results import deliver, results_place
from telemetry import Context
from twite.errors import RequestError, TwiteError

if TYPE_CHECKING:
    from function import Function

Record = dict[str, Any]


def answer_records(records: object, function: "Function", context: Context) -> object:
    """Answer each record; raises RequestError for what is neither of SQS nor of S3."""
    sources = {_source(record) for record in records} if isinstance(records, list) else set()
    if sources == {"aws:sqs"}:
        return answer_messages(records, function, context)  # type: ignore[arg-type]
    if sources == {"aws:s3"}:
        from objects import answer_objects

        return answer_objects(records, function, context)  # type: ignore[arg-type]
    came = ", ".join(sorted(map(str, sources))) or "nothing"
    raise RequestError(f"the event has records of {came}; this function takes aws:sqs and aws:s3")


def _source(record: object) -> object:
    return record.get("eventSource") if isinstance(record, dict) else type(record).__name__


def answer_messages(
    records: list[Record], function: "Function", context: Context
) -> dict[str, list[dict[str, str]]]:
    """Answer each message; those that failed are named, and only they come again.

    The queue must have its event source mapping set to ReportBatchItemFailures. A message that
    cannot be answered ends in the dead-letter queue after its maxReceiveCount.
    """
    place = results_place()
    failures = []
    for record in records:
        name = str(record.get("messageId", ""))
        try:
            answer = function.predict(_parse(record))
            deliver(place, name, answer)
        except TwiteError as error:
            report(function, f"sqs {name}", context, error)
            failures.append({"itemIdentifier": name})
        else:
            function.telemetry.request(f"sqs {name}", context, 200, function.inference.took_s())
    return {"batchItemFailures": failures}


def report(function: "Function", message: str, context: Context, error: TwiteError) -> None:
    took_s = function.inference.took_s()
    function.telemetry.request(message, context, error.status, took_s, str(error))


def _parse(record: Record) -> object:
    body = record.get("body")
    if not isinstance(body, str):
        raise RequestError('the message has no body; send it JSON as {"features": …}')
    try:
        value: object = json.loads(body)
    except ValueError as error:
        raise RequestError(f"the message is not JSON: {error}") from error
    return value
