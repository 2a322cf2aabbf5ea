"""Our HTTP/1.1 server: listens, accepts up to its limit, ends what is slow or idle, drains.

In the place of a general ASGI server: that costs a tenth of the start and a quarter of the
requests a second, and gives a slow sender all the time it wants.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from time import gmtime, perf_counter, strftime

from twite.errors import NotReady
from twite.server.app import error_answer
from twite.server.connection import Connection
from twite.server.exchange import Admit, Answer, Endpoint
from twite.server.head import KnownHeads
from twite.server.limits import LINGER_S, Held, Limits

BACKLOG = 2048
"""Connections that the system holds for us until they are accepted; it may hold fewer."""

BUFFER_BYTES = 32 * 1024
"""What is read at once, but of a long body."""

RESERVED_FILES = 64
"""What a process opens beside its connections."""

GRACE_S = 0.1
"""How long a drain waits for requests that are already on their way on an idle connection."""

ROUND_S = 0.0005
"""How long answers wait for others to be sent with them."""

_LOOKED_AT = 64


class HttpServer:
    """Every connection of a process.

    now and date are the clock for the connections, read once a tick: a request does not read it.
    buffer is where they read to, one after the other. Without a connection nothing ticks.
    """

    def __init__(
        self,
        app: Endpoint,
        limits: Limits,
        note: Callable[[Answer], None],
        admit: Admit | None = None,
    ) -> None:
        """note is told of each refusal of what never became a request."""
        self.app = app
        self.admit = admit
        self.note = note
        self.limits = limits
        self.held = Held(limits.held_bytes)
        self.heads = KnownHeads()
        self.is_closing = False
        self.connections: dict[Connection, None] = {}
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self._server: asyncio.Server | None = None
        self._awake: list[Connection] = []
        self._tick_s = _tick(limits)
        self._timer: asyncio.TimerHandle | None = None
        self._room = room_for(limits.connections)
        self._full = error_answer(
            NotReady(f"{self._room} connections are open; this server holds no more")
        )

    async def start(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._read_clock()
        self._server = await self._loop.create_server(
            lambda: Connection(self), sock=listener, backlog=BACKLOG
        )

    def add(self, connection: Connection) -> float:
        """Hold the connection; the deadline of its first request, or of its end."""
        if self._timer is None:
            self._read_clock()
            self._timer = self._loop.call_later(self._tick_s, self._tick)
        is_full = len(self.connections) >= self._room
        self.connections[connection] = None
        if is_full and not self._make_room():
            connection.evict(self._full)
            return self.now + LINGER_S
        return self.now + self.limits.idle_s

    def discard(self, connection: Connection) -> None:
        self.connections.pop(connection, None)

    def wake(self, connection: Connection) -> None:
        """Give the connection a turn in the next round."""
        if connection.is_awake:
            return
        connection.is_awake = True
        if not self._awake:
            self._loop.call_soon(self._round)
        self._awake.append(connection)

    def _round(self) -> None:
        """Answer for all that have something to answer, then send; but send now and then."""
        awake, self._awake = self._awake, []
        begin, done = perf_counter(), 0
        for i, connection in enumerate(awake):
            connection.advance()
            if perf_counter() - begin > ROUND_S:
                for each in awake[done : i + 1]:
                    each.flush()
                begin, done = perf_counter(), i + 1
        for each in awake[done:]:
            each.flush()

    def _make_room(self) -> bool:
        """End the oldest connection that waits for its client; those that do not go to the end."""
        for connection in list(islice(self.connections, min(_LOOKED_AT, self._room))):
            if connection.is_waiting:
                connection.evict()
                self.discard(connection)
                return True
            self.discard(connection)
            self.connections[connection] = None
        return False

    def _read_clock(self) -> None:
        self.now = self._loop.time()
        self.date = strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime()).encode()

    def _tick(self) -> None:
        self._read_clock()
        late = [each for each in self.connections if each.deadline < self.now]
        for connection in late:
            connection.expire()
        self._timer = None
        if self.connections:
            self._timer = self._loop.call_later(self._tick_s, self._tick)

    async def drain(self, timeout_s: float) -> None:
        """Accept nothing more, answer what is under way, and end what is left after timeout_s."""
        if self._server is None:
            return
        await self._stop_accepting(self._server)
        self.is_closing = True
        end = self._loop.time() + timeout_s
        while self.connections and self._loop.time() < end:
            await asyncio.sleep(GRACE_S)
            for connection in list(self.connections):
                connection.retire()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    async def _stop_accepting(self, server: asyncio.Server) -> None:
        """Take what the system has accepted for us: shutting the door on it would reset it."""
        self._listener.setblocking(False)
        rest: list[socket.socket] = []
        # An error says that nothing waits any more, or that no file is left to take it with.
        with suppress(OSError):
            while len(rest) < BACKLOG:
                rest.append(self._listener.accept()[0])
        # Closing alone would leave the caller's socket listening.
        self._listener.shutdown(socket.SHUT_RDWR)
        server.close()
        for each in rest:
            await self._loop.connect_accepted_socket(lambda: Connection(self), each)


def _tick(limits: Limits) -> float:
    """Seconds between two looks at the deadlines: fine enough for the shortest of them."""
    times = (limits.header_s, limits.body_s, limits.idle_s, limits.send_s)
    return max(0.05, min(1.0, min(times) / 4))


def room_for(connections: int) -> int:
    """How many connections may be open, after asking the system for so many open files."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_FILES
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - RESERVED_FILES))
