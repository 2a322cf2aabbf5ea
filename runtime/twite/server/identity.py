"""Which request is which: ids, the trace that a request belongs to, and a line for each in the log.

`x-request-id` and `traceparent` (https://www.w3.org/TR/trace-context/) are taken over where they
are well formed, and go back with the answer.
"""

import asyncio
import logging
import re
from itertools import count
from os import urandom
from time import perf_counter
from typing import TYPE_CHECKING

from twite.server.exchange import Answer, Endpoint, Request

if TYPE_CHECKING:
    from twite.server.tracing import Tracer

access_log = logging.getLogger("twite.access")

CLIENT_GONE = 499
"""nginx's status for a client that left before its answer; only the log shows it."""

_is_id = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII).fullmatch
_is_trace = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def identify(
    app: Endpoint, *, log_access: bool = False, tracer: "Tracer | None" = None
) -> Endpoint:
    """Give every request its id, and every answer the request's; log and trace where asked."""
    begin, numbers = urandom(8).hex(), count(1)
    if log_access:
        app = _logged(app)
    if tracer:
        app = tracer.wrap(app)

    async def identified(request: Request) -> Answer:
        headers = request.headers
        own = headers.get("x-request-id")
        request.id = own if own and _is_id(own) else f"{begin}-{next(numbers):x}"
        if "traceparent" in headers:
            return await traced(request)
        status, body, content_type, more = await app(request)
        return Answer(status, body, content_type, (*more, ("x-request-id", request.id)))

    async def traced(request: Request) -> Answer:
        parent = request.headers["traceparent"]
        request.trace = parent if _is_trace.match(parent) else ""
        answer = await app(request)
        found = [("x-request-id", request.id)]
        if request.trace:
            found.append(("traceparent", request.trace))
        return answer._replace(headers=(*answer.headers, *found))

    return identified


def _logged(app: Endpoint) -> Endpoint:
    async def logged(request: Request) -> Answer:
        begin = perf_counter()
        try:
            answer = await app(request)
        except asyncio.CancelledError:
            _log(request, CLIENT_GONE, 0, perf_counter() - begin)
            raise
        _log(request, answer.status, len(answer.body), perf_counter() - begin)
        return answer

    return logged


def _log(request: Request, status: int, size_bytes: int, took_s: float) -> None:
    # The path may hold anything: repr keeps it on one line.
    fields = {
        "peer": request.peer,
        "method": request.method,
        "path": repr(request.path)[1:-1],
        "status": status,
        "size_bytes": size_bytes,
        "duration_ms": round(took_s * 1000, 3),
    }
    extra = {"request_id": request.id, "trace": request.trace, "fields": fields}
    form = "%(peer)s %(method)s %(path)s %(status)d, %(size_bytes)d bytes in %(duration_ms).3f ms"
    access_log.info(form, fields, extra=extra)


def note_refusal(answer: Answer) -> None:
    """Log the refusal of what never became a request."""
    fields = {"status": answer.status, "size_bytes": len(answer.body)}
    access_log.info("no request: %(status)d", fields, extra={"fields": fields})
