"""A request and its answer, whatever carried them: our HTTP server, an ASGI server or Lambda."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

JSON = "application/json"


class Request:
    """A whole request; the carrier has read the body and held it to the limit.

    path is decoded, query is not; headers have lower-case names. peer is the client's address.
    id and trace, a `traceparent` or nothing, are set by server/identity.py.
    """

    __slots__ = ("body", "headers", "id", "method", "path", "peer", "query", "trace")

    def __init__(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
        query: str = "",
        peer: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.query = query
        self.peer = peer
        self.id = ""
        self.trace = ""

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


class Answer(NamedTuple):
    """headers come on top of content-type and content-length, which the carrier writes."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


Endpoint = Callable[[Request], Awaitable[Answer]]
"""What answers a request; a TwiteError that it raises becomes the answer in server/app.py."""

Admit = Callable[[Request], None]
"""Raises a TwiteError for a request, its body still empty, whose body nobody will read."""
