"""One client's connection: requests in, answers out in order, a time limit on each step."""

import asyncio
import logging
from collections.abc import Coroutine
from math import inf
from typing import TYPE_CHECKING, Any, cast

from twite.errors import TwiteError
from twite.server.app import error_answer
from twite.server.exchange import Answer
from twite.server.limits import BODY_BYTES_PER_S, LINGER_S, too_slow
from twite.server.reader import BODY, HEAD, IDLE, Incoming, Reader
from twite.server.steps import Steps
from twite.server.wire import CONTINUE, JOINED_BYTES, head_of

if TYPE_CHECKING:
    from twite.server.http import HttpServer

log = logging.getLogger("twite")

ANSWERING, LINGERING, CLOSING = range(3, 6)
"""States beyond the reader's: a request is computed; only an end is waited for."""

PIECE_BYTES = 16 * 1024
"""What is parsed at once, so that requests sent in one go wait as bytes, not as objects."""

TURN = 16
"""Requests of one connection that are begun before it is another's turn."""

UNSENT_BYTES = 64 * 1024
CLOSE = b"connection: close\r\n"


class Connection(asyncio.BufferedProtocol):
    """Reads, answers and ends. The server looks at `deadline` now and then and calls expire.

    A long body is read to where it stays; all else goes through one buffer of the server.

    What was read waits for the server's next round (advance), and what was answered for its end
    (flush): reading all, computing all and sending all is faster than going from one to the other.
    An endpoint's first step runs at once: where that already gives the answer, as it does for a
    tiny model, the request costs no task.
    """

    def __init__(self, server: "HttpServer") -> None:
        self.deadline = inf
        self.state = IDLE
        self.is_awake = False
        self._server = server
        self._steps: Steps | None = None
        self._request: Incoming | None = None
        self._refusal: TwiteError | None = None
        self._rest = b""
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._is_last = False
        self._is_stuck = False
        self._unsent = 0
        self._begun = 0
        self._body_since = 0.0

    @property
    def is_waiting(self) -> bool:
        """Nothing whole has come that is not answered."""
        return self.state <= HEAD and not self.is_awake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        server, host = self._server, peer[0] if peer else ""
        self._reader = Reader(server.limits, server.held, server.heads, host, server.admit)
        self.deadline = self._server.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.state = CLOSING
        self._server.discard(self)
        self._abandon()
        self._reader.close()

    def eof_received(self) -> None:
        """The client has closed, or will send no more: nobody waits for what is not answered."""
        while self.is_awake:
            self.advance()
        self._abandon()
        self.flush()
        self._end(CLOSING, self._server.limits.send_s)

    def get_buffer(self, size_hint: int) -> memoryview:
        """Where the next bytes of the socket go; buffer_updated follows at once."""
        room = self._reader.room
        return room if room and not self._rest else self._server.buffer

    def buffer_updated(self, size: int) -> None:
        if self.state >= LINGERING or self._refusal or self._is_last:
            return
        if self._rest:
            self._rest += self._server.buffer[:size]
        elif self._reader.room:
            self._read_on(size)
        else:
            data = self._server.buffer[:size]
            self._consume(data if size > PIECE_BYTES else bytes(data))
            self._schedule()

    def _read_on(self, size: int) -> None:
        """So many bytes of a long body have come."""
        reader = self._reader
        try:
            self._keep(reader.took(size))
        except TwiteError as refusal:
            self._refusal = refusal
        # A deadline that has passed is set anew by what came until then: see expire.
        if reader.messages or self._refusal:
            self._server.wake(self)
            self._schedule()

    def _consume(self, data: bytes | memoryview) -> None:
        """Parse data up to the piece in which a request ends; keep what comes after it."""
        reader = self._reader
        rest = data if len(data) <= PIECE_BYTES else memoryview(data)
        try:
            while len(rest) > PIECE_BYTES and not (reader.left or reader.messages):
                reader.feed(rest[:PIECE_BYTES])
                rest = rest[PIECE_BYTES:]
            if reader.messages:
                self._keep(rest)
            else:
                reader.feed(rest)
        except TwiteError as refusal:
            self._refusal = refusal
        if reader.messages or self._refusal or reader.owes_continue:
            self._server.wake(self)

    def _keep(self, rest: bytes | memoryview) -> None:
        """What comes after a request that is not answered yet waits, and the client with it."""
        if rest:
            self._rest = bytes(rest)
            self._transport.pause_reading()

    def advance(self) -> None:
        """Answer what is whole, one request after the other."""
        self.is_awake = False
        reader = self._reader
        for _ in range(TURN):
            if self._steps or self._is_stuck or self._is_last or self.state >= LINGERING:
                return
            if reader.messages:
                self._begin(reader.messages.popleft())
            elif self._rest:
                rest, self._rest = self._rest, b""
                self._transport.resume_reading()
                self._consume(rest)
            else:
                break
            if self._out_bytes > UNSENT_BYTES:
                self.flush()
        if reader.messages or self._rest:
            self._server.wake(self)
        elif self._refusal:
            self._refuse(self._refusal)
        elif reader.owes_continue and not reader.size:
            reader.owes_continue = False
            self._out.append(CONTINUE)
        if self.state < LINGERING:
            self._schedule()

    def flush(self) -> None:
        """Send what has been answered; end where that was the last."""
        out = self._out
        if out:
            self._out, self._out_bytes = [], 0
            if len(out) == 1:
                self._transport.write(out[0])
            else:
                self._transport.writelines(out)
        if self._is_last and self.state < LINGERING:
            self._transport.close()
            self._end(CLOSING, self._server.limits.send_s)

    def _begin(self, request: Incoming) -> None:
        self._request = request
        answering = cast(Coroutine[Any, Any, Answer], self._server.app(request))
        try:
            waits_for = answering.send(None)
        except StopIteration as done:
            self._answer(done.value)
            return
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            self._answer(_failure())
            return
        self._steps = Steps(answering, waits_for, self._finish)

    def _finish(self, answer: Answer | None) -> None:
        self._steps = None
        self._answer(answer or _failure())
        self.advance()
        self.flush()

    def _answer(self, answer: Answer) -> None:
        request, self._request = self._request, None
        keeps_alive = request is not None and request.keeps_alive and not self._server.is_closing
        line = b"" if keeps_alive else CLOSE
        if keeps_alive and request is not None and request.is_http_1_0:
            line = b"connection: keep-alive\r\n"
        self._write(answer, line, with_body=request is None or not request.is_head)
        if request is not None and request.held:
            self._reader.release(request)
        self._is_last = not keeps_alive

    def _write(self, answer: Answer, connection: bytes, *, with_body: bool) -> None:
        try:
            head = head_of(answer, self._server.date, connection)
        except ValueError:
            log.exception("an answer that cannot be sent")
            answer = _failure()
            head = head_of(answer, self._server.date, connection)
        if not with_body:
            self._out.append(head)
        elif len(answer.body) <= JOINED_BYTES:
            self._out.append(head + answer.body)
        else:
            self._out += (head, answer.body)
        self._out_bytes += len(answer.body)

    def _refuse(self, refusal: TwiteError) -> None:
        """Answer and hang up, reading on for a moment: a reset would destroy the answer."""
        answer = error_answer(refusal)
        self._reader.drop()
        self._server.note(answer)
        self._write(answer, CLOSE, with_body=True)
        self.flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._end(LINGERING, LINGER_S)

    def _abandon(self) -> None:
        """Cancel what is computed and forget what waits."""
        steps, self._steps = self._steps, None
        if steps:
            steps.cancel()
        self._reader.messages.clear()
        self._rest = b""

    def _schedule(self) -> None:
        """Set the deadline of the step that the connection is in now."""
        reader, limits, now = self._reader, self._server.limits, self._server.now
        state = ANSWERING if self._steps or reader.messages else reader.state
        is_new = state != self.state or reader.begun != self._begun
        self.state, self._begun = state, reader.begun
        if self._is_stuck:
            return
        if state == IDLE:
            self.deadline = now + limits.idle_s
        elif state == ANSWERING:
            self.deadline = inf
        elif state == HEAD:
            self.deadline = now + limits.header_s if is_new else self.deadline
        else:
            self._body_since = now if is_new else self._body_since
            self.deadline = self._body_since + limits.body_s + reader.size / BODY_BYTES_PER_S

    def _end(self, state: int, within_s: float) -> None:
        self.state = state
        self._unsent = self._transport.get_write_buffer_size()
        self.deadline = self._server.now + within_s

    def expire(self) -> None:
        """The deadline has passed."""
        limits = self._server.limits
        if self._is_stuck or self.state == CLOSING:
            self._expire_sending(limits.send_s)
        elif self.state == HEAD:
            self._refuse(too_slow("request's head", limits.header_s, "TWITE_HEADER_TIMEOUT_S"))
        elif self.state == BODY:
            self._schedule()
            if self.deadline < self._server.now:
                self._refuse(too_slow("request's body", limits.body_s, "TWITE_BODY_TIMEOUT_S"))
        elif self.state == LINGERING:
            self._transport.abort()
        else:
            self.retire()

    def _expire_sending(self, limit_s: float) -> None:
        """End a client that has taken nothing for a while."""
        unsent = self._transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self.deadline = self._server.now + limit_s
        else:
            self._transport.abort()

    def retire(self) -> None:
        """End the connection where nothing of a request has come."""
        if self.state == IDLE:
            self._transport.close()
            self._end(CLOSING, self._server.limits.send_s)

    def evict(self, answer: Answer | None = None) -> None:
        """End the connection at once, with an answer that fits into the socket's buffer."""
        if answer:
            self._write(answer, CLOSE, with_body=True)
            self.flush()
        self._transport.close()
        self._end(CLOSING, LINGER_S)

    def abort(self) -> None:
        self._transport.abort()

    def pause_writing(self) -> None:
        self._is_stuck = True
        self._unsent = self._transport.get_write_buffer_size()
        self.deadline = self._server.now + self._server.limits.send_s

    def resume_writing(self) -> None:
        self._is_stuck = False
        if self.state < LINGERING:
            self._server.wake(self)


def _failure() -> Answer:
    return error_answer(TwiteError("an error inside the server; its log says more"))
