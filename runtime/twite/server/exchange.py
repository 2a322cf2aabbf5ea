"""A request and its answer, whatever carried them: our HTTP server, an ASGI server or Lambda."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

JSON = "application/json"


class Request:
    """A whole request; the carrier has read the body and held it to the limit.

    path is decoded, query is not; headers have lower-case names. peer is the client's address.
    id and trace, a `traceparent` or nothing, are set by server/identity.py. A long body comes as a
    memoryview: body copies it, once, and view does not.
    """

    __slots__ = ("_content", "headers", "id", "method", "path", "peer", "query", "trace")

    def __init__(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | memoryview = b"",
        query: str = "",
        peer: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self._content = body
        self.query = query
        self.peer = peer
        self.id = ""
        self.trace = ""

    @property
    def body(self) -> bytes:
        if not isinstance(self._content, bytes):
            self._content = bytes(self._content)
        return self._content

    @property
    def view(self) -> memoryview:
        return memoryview(self._content)

    @property
    def size_bytes(self) -> int:
        return len(self._content)

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
