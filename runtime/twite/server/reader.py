"""The bytes of a connection to requests, held to the limits while they come."""

from collections import deque
from typing import cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from twite.errors import TwiteError
from twite.server.exchange import Admit, Request
from twite.server.head import Head, KnownHeads, make_head, other_version
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


class Incoming(Request):
    """A request and how its connection goes on after the answer. HEAD asks as GET does.

    held is what its body adds to the server's Held.
    """

    __slots__ = ("held", "is_head", "is_http_1_0", "keeps_alive")

    def __init__(self, head: Head, body: bytes | memoryview, peer: str, held: int) -> None:
        super().__init__(head.method, head.path, head.headers, body, head.query, peer)
        self.held = held
        self.is_head = head.is_head
        self.is_http_1_0 = head.is_http_1_0
        self.keeps_alive = head.keeps_alive


class Reader:
    """Feeds httptools and collects whole requests in `messages`, in their order.

    state says where the bytes so far end; begun counts the requests, size is that of the body so
    far. owes_continue is true while a client waits for `100 Continue` before it sends its body.
    A body whose length is known goes past the parser, which would copy it once more. room is for
    what is still to come of a long one, and a byte more: the socket is read right into it. admit is
    asked before a body that is not short is read.
    """

    def __init__(
        self,
        limits: Limits,
        held: Held,
        known: KnownHeads,
        peer: str,
        admit: Admit | None = None,
    ) -> None:
        self.messages: deque[Incoming] = deque()
        self.state = IDLE
        self.begun = 0
        self.size = 0
        self.owes_continue = False
        self.left = 0
        self._limits = limits
        self._held_by_all = held
        self._held = 0
        self._known = known
        self._peer = peer
        self._admit = admit
        self._fed = 0
        self._body: list[bytes | bytearray] = []
        self.room = self._long = NOTHING
        self._parser = HttpRequestParser(self)
        self._is_parser_waiting = False
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
            elif self.state == IDLE and self._keeps_alive and (found := self._known.find(data)):
                data = self._repeat(*found, data)
            else:
                data = self._parse(data)
        if self.state != IDLE and not self.left:
            self._check_overhead()

    def _repeat(self, head: Head, size: int, data: bytes | memoryview) -> bytes | memoryview:
        """Begin a request whose head of so many bytes needs no parser; what comes after that."""
        if len(data) - size == head.size_bytes <= SMALL:
            self.begun += 1
            self.messages.append(Incoming(head, bytes(data[size:]), self._peer, 0))
            return b""
        self.on_message_begin()
        self._begin(head)
        self.left = head.size_bytes
        if self.left == 0:
            self.on_message_complete()
        return data[size:]

    def took(self, size: int) -> memoryview:
        """So many bytes were read into room; those that are not the body's any more.

        Raises NotReady, after which nothing more is read.
        """
        rest = self.room[self.left : size]
        size -= len(rest)
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
        return rest

    def _parse(self, data: bytes | memoryview) -> bytes | memoryview:
        """Give data to the parser; what comes after a request that wanted another protocol."""
        was_idle, begun = self.state == IDLE, self.begun
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._parser = HttpRequestParser(self)
            return self._go_past(data[upgrade.args[0] :])
        except HttpParserCallbackError as error:
            raise cast(TwiteError, error.__context__) from None
        except HttpParserError as error:
            # A client that says goodbye may still send; nobody reads that.
            if self.state != IDLE or self._keeps_alive:
                raise _malformed(str(error)) from None
            return b""
        if was_idle and self.begun == begun + 1 and self._head:
            self._known.keep(bytes(data[: len(data) - self.size]), self._head)
        return self._go_past(b"")

    def _go_past(self, rest: bytes | memoryview) -> bytes | memoryview:
        """Leave what is still to come of a body of known length to _take."""
        if self.state == BODY and self._head and self._head.size_bytes > self.size:
            self.left = self._head.size_bytes - self.size
            self._is_parser_waiting = True
        return rest

    def _take(self, data: bytes | memoryview) -> bytes | memoryview:
        """Add to a body of known length; what comes after it."""
        body = data if len(data) <= self.left else data[: self.left]
        self.left -= len(body)
        self.on_body(body)
        if self.left == 0:
            self._complete()
        return data[len(body) :]

    def _complete(self) -> None:
        """The whole body went past the parser, which may still wait for it."""
        if self._is_parser_waiting:
            self._parser = HttpRequestParser(self)
            self._is_parser_waiting = False
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
        self._head: Head | None = None
        self._keeps_alive = True
        self._counted = 0

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
        line = parser.get_method(), self._target, parser.get_http_version()
        head = make_head(line, headers, self._limits, keeps_alive=parser.should_keep_alive())
        if "transfer-encoding" in headers and parser.should_upgrade():
            raise Malformed(400, "a chunked body and an upgrade do not go together")
        self.owes_continue = "expect" in headers and not head.is_http_1_0
        self._begin(head)

    def _begin(self, head: Head) -> None:
        """The body comes next."""
        self.state = BODY
        self._head = head
        self._keeps_alive = head.keeps_alive
        if self._admit and (head.size_bytes > SMALL or "transfer-encoding" in head.headers):
            self._admit(head.request(b"", self._peer))
        if head.size_bytes >= LONG:
            self.room = long_body(head.size_bytes, tensors_at(head.headers))
            self._long = self.room[: head.size_bytes]

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
        head = self._head
        if head is None or head.size_bytes > self.size:
            # The parser takes what follows an upgrade for the other protocol; it is the body.
            return
        body = self._body
        joined = body[0] if len(body) == 1 else b"".join(body)
        self.messages.append(Incoming(head, self._long or bytes(joined), self._peer, self._counted))
        self.owes_continue = False
        self.state = IDLE
        self._body = []
        self.room = self._long = NOTHING


def _malformed(problem: str) -> Malformed:
    if problem == "Invalid HTTP version" or "PRI" in problem:
        return other_version("another version of HTTP")
    return Malformed(400, f"this is not an HTTP request: {problem}")
