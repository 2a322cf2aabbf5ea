"""The bytes of a connection to requests, held to the limits while they come."""

from collections import deque
from typing import cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from twite.errors import TwiteError
from twite.server.exchange import Admit, Request
from twite.server.limits import (
    Held,
    Limits,
    Malformed,
    body_too_large,
    headers_too_large,
    target_too_long,
    too_many_headers,
)
from twite.server.long_body import LONG, NOTHING, long_body, tensors_at

IDLE, HEAD, BODY = range(3)
"""Between requests; in a request line or its headers; in a body."""

SMALL = 4096
CHUNK_OVERHEAD = 8
"""Bytes on the wire for one of a chunked body: a chunk of one byte takes six."""

_NAMES = {
    spelling.encode(): name
    for name in ("host", "user-agent", "accept", "content-type", "content-length", "connection")
    for spelling in (name, name.title())
}
_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD"}


class Incoming(Request):
    """A request and how its connection goes on after the answer. HEAD asks as GET does.

    held is what its body adds to the server's Held.
    """

    __slots__ = ("held", "is_head", "is_http_1_0", "keeps_alive")

    held: int
    keeps_alive: bool
    is_head: bool
    is_http_1_0: bool


class Reader:
    """Feeds httptools and collects whole requests in `messages`, in their order.

    state says where the bytes so far end; begun counts the requests, size is that of the body so
    far. owes_continue is true while a client waits for `100 Continue` before it sends its body.
    A body whose length is known goes past the parser, which would copy it once more. room is for
    what is still to come of a long one: the socket is read right into it. admit is asked before a
    body that is not short is read.
    """

    def __init__(self, limits: Limits, held: Held, peer: str, admit: Admit | None = None) -> None:
        self.messages: deque[Incoming] = deque()
        self.state = IDLE
        self.begun = 0
        self.size = 0
        self.owes_continue = False
        self.left = 0
        self._limits = limits
        self._held_by_all = held
        self._held = 0
        self._peer = peer
        self._admit = admit
        self._fed = 0
        self._body: list[bytes | bytearray] = []
        self.room = self._long = NOTHING
        self._parser = HttpRequestParser(self)
        self.on_message_begin()
        self.state, self.begun = IDLE, 0

    def close(self) -> None:
        """Break the cycle with the parser, and drop what is held."""
        self.drop()
        del self._parser

    def drop(self) -> None:
        """Hold nothing: no request of this connection will be answered any more."""
        self._held_by_all.size -= self._held
        self._held = 0
        self._body = []
        self.room = self._long = NOTHING
        self.messages.clear()

    def release(self, request: Incoming) -> None:
        """The request is answered: its body is held no more."""
        self._held_by_all.size -= request.held
        self._held -= request.held

    def feed(self, data: bytes | memoryview) -> None:
        """Read data; raises Malformed or BodyTooLarge, after which nothing more is fed."""
        while data:
            if self.left:
                data = self._take(data)
                continue
            self._fed += len(data)
            data = self._parse(data)
            if self.state == BODY and self._expected > self.size:
                self.left = self._expected - self.size
        if self.state != IDLE and not self.left:
            self._check_overhead()

    def took(self, size: int) -> None:
        """So many bytes were read into room; raises NotReady, after which nothing more is."""
        try:
            self._hold(self.size + size - self._counted)
        except TwiteError:
            self.room = self._long = NOTHING
            raise
        self.room = self.room[size:]
        self.size += size
        self.left -= size
        if self.left == 0:
            self._complete()

    def _parse(self, data: bytes | memoryview) -> bytes | memoryview:
        """Give data to the parser; what comes after a request that wanted another protocol."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._parser = HttpRequestParser(self)
            return data[upgrade.args[0] :]
        except HttpParserCallbackError as error:
            raise cast(TwiteError, error.__context__) from None
        except HttpParserError as error:
            # A client that says goodbye may still send; nobody reads that.
            if self.state != IDLE or self._keeps_alive:
                raise _malformed(str(error)) from None
        return b""

    def _take(self, data: bytes | memoryview) -> bytes | memoryview:
        """Add to a body of known length; what comes after it."""
        body = data if len(data) <= self.left else data[: self.left]
        self.left -= len(body)
        self.on_body(body)
        if self.left == 0:
            self._complete()
        return data[len(body) :]

    def _complete(self) -> None:
        """The body went past the parser, which still waits for it: the next request has another."""
        self._parser = HttpRequestParser(self)
        self.on_message_complete()

    def _check_overhead(self) -> None:
        most = self._limits.header_bytes + self._limits.target_bytes
        if self.state == HEAD and self._fed > most:
            raise headers_too_large(self._limits.header_bytes)
        if self.state == BODY and self._fed > most + (self.size + SMALL) * CHUNK_OVERHEAD:
            raise Malformed(400, "the body is more chunk extensions and trailers than data")

    def on_message_begin(self) -> None:
        self.state = HEAD
        self.begun += 1
        self.size = self._fed = self._header_bytes = self._header_count = 0
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = []
        self.room = self._long = NOTHING
        self._expected = 0
        self._keeps_alive = True
        self._is_http_1_0 = False
        self._counted = 0
        self._method = b""

    def on_url(self, part: bytes) -> None:
        self._target += part
        if len(self._target) > self._limits.target_bytes:
            raise target_too_long(self._limits.target_bytes)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > self._limits.header_bytes:
            raise headers_too_large(self._limits.header_bytes)
        if self._header_count > self._limits.headers:
            raise too_many_headers(self._limits.headers)
        if self.state == BODY:
            # A trailer says nothing that anyone here asks for.
            return
        key = _NAMES.get(name) or name.lower().decode("latin-1")
        text = value.decode("latin-1")
        headers = self._headers
        if key not in headers:
            headers[key] = text
        elif key == "host":
            raise Malformed(400, "there are two Host headers")
        else:
            headers[key] += ", " + text

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        if version != "1.1":
            self._is_http_1_0 = version == "1.0"
            if not self._is_http_1_0:
                raise _other_version(f"HTTP/{version}")
        elif "host" not in headers:
            raise Malformed(400, "the Host header is missing")
        self.state = BODY
        self._method = parser.get_method()
        self._keeps_alive = parser.should_keep_alive()
        if "content-length" in headers:
            self._expected = int(headers["content-length"])
            if self._expected > self._limits.body_bytes:
                raise body_too_large(str(self._expected), self._limits.body_bytes)
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise Malformed(501, "of the transfer encodings only chunked is known here")
            if parser.should_upgrade():
                raise Malformed(400, "a chunked body and an upgrade do not go together")
        if "expect" in headers:
            if headers["expect"].lower() != "100-continue":
                raise Malformed(417, "of the expectations only 100-continue is known here")
            self.owes_continue = not self._is_http_1_0
        if self._admit and (self._expected > SMALL or "transfer-encoding" in headers):
            path, query = _split(self._target.decode("latin-1"))
            method = self._method.decode("latin-1")
            self._admit(Request(method, path, headers, b"", query, self._peer))
        if self._expected >= LONG:
            self.room = self._long = long_body(self._expected, tensors_at(headers))

    def on_body(self, part: bytes | memoryview) -> None:
        self.size += len(part)
        if self.size > self._limits.body_bytes:
            most = self._limits.body_bytes
            raise body_too_large(f"more than {most}", most)
        if self.size > SMALL:
            self._hold(self.size - self._counted)
        if self.room:
            self.room[: len(part)] = part
            self.room = self.room[len(part) :]
            return
        body, part = self._body, bytes(part)
        if not body or len(part) > SMALL:
            body.append(part)
            return
        # Many small parts as objects of their own would take far more memory than their bytes.
        last = body[-1]
        if isinstance(last, bytearray):
            last += part
        else:
            body.append(bytearray(part))

    def _hold(self, size: int) -> None:
        self._held_by_all.add(size)
        self._counted += size
        self._held += size

    def on_message_complete(self) -> None:
        if self._expected > self.size:
            # The parser takes what follows an upgrade for the other protocol; it is the body.
            return
        body = self._body
        joined = body[0] if len(body) == 1 else b"".join(body)
        content = self._long or bytes(joined)
        method = _METHODS.get(self._method) or self._method.decode("latin-1")
        path, query = _split(self._target.decode("latin-1"))
        is_head = method == "HEAD"
        request = Incoming(
            "GET" if is_head else method, path, self._headers, content, query, self._peer
        )
        request.held = self._counted
        request.is_head = is_head
        request.keeps_alive = self._keeps_alive
        request.is_http_1_0 = self._is_http_1_0
        self.messages.append(request)
        self.owes_continue = False
        self.state = IDLE
        self._body = []
        self.room = self._long = NOTHING


def _split(target: str) -> tuple[str, str]:
    """Path, decoded, and query of a request's target; a proxy's absolute form loses its host."""
    if not target.startswith("/"):
        _, is_absolute, rest = target.partition("://")
        target = "/" + rest.partition("/")[2] if is_absolute else target
    path, _, query = target.partition("?")
    if "%" in path:
        from urllib.parse import unquote

        path = unquote(path)
    return path, query


def _malformed(problem: str) -> Malformed:
    if problem == "Invalid HTTP version" or "PRI" in problem:
        return _other_version("another version of HTTP")
    return Malformed(400, f"this is not an HTTP request: {problem}")


def _other_version(came: str) -> Malformed:
    return Malformed(505, f"{came} came; this server speaks HTTP/1.1 and HTTP/1.0")
