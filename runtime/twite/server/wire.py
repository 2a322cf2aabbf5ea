"""An answer to the bytes on the wire."""

from functools import lru_cache

from twite.server.exchange import Answer

JOINED_BYTES = 16 * 1024
"""A body up to this size is sent in one piece with its head; copying a larger one costs more."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


def head_of(answer: Answer, date: bytes, connection: bytes) -> bytes:
    """Everything before the body; connection is a header line or nothing."""
    fixed = _fixed(answer.status, answer.content_type)
    extra = "".join([f"{key}: {text}\r\n" for key, text in answer.headers])
    if len(answer.headers) != extra.count("\n") or "\0" in extra:
        raise ValueError("a header of an answer holds a line break")
    length = b"%d\r\n" % len(answer.body) if answer.status != 204 else b""
    return b"".join((fixed, length, date, connection, extra.encode("latin-1"), b"\r\n"))


@lru_cache(256)
def _fixed(status: int, content_type: str) -> bytes:
    line = f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n"
    if status != 204:
        line += f"content-type: {content_type}\r\ncontent-length: "
    return line.encode("latin-1")
