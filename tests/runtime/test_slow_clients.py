"""Clients that are slow, gone or too many, and what they cost the others."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

from twite.server.exchange import Answer, Request

PATIENCE_S = 30.0
GET = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"


async def answer(request: Request) -> Answer:
    return Answer(200, b"x" * (4_000_000 if request.path == "/big" else 2))


def test_a_slow_head_and_a_slow_body_are_given_up(run_server: Any) -> None:
    with run_server(answer, header_timeout_s=0.3, body_timeout_s=0.3) as server:
        assert server.ask(b"GET / HT").startswith(b"HTTP/1.1 408 ")
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab"
        received = server.ask(head)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"TWITE_BODY_TIMEOUT_S" in received


def test_a_head_that_trickles_is_given_up_and_others_are_not_kept_waiting(run_server: Any) -> None:
    with run_server(answer, header_timeout_s=0.5) as server, ExitStack() as stack:
        slow = [stack.enter_context(server.connect()) for _ in range(50)]
        for each in slow:
            each.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
        assert server.ask(GET.replace(b"host: x", b"host: x\r\nconnection: close"))
        deadline = time.monotonic() + PATIENCE_S
        while server.server.connections and time.monotonic() < deadline:
            for each in slow:
                try:
                    each.sendall(b"a")
                except OSError:
                    continue
            time.sleep(0.05)
        assert not server.server.connections


def test_a_thousand_idle_connections_keep_nobody_waiting(run_server: Any) -> None:
    with run_server(answer) as server, ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(1000)]
        server.await_connections(1000)
        with server.connect() as client:
            client.sendall(GET)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        idle[0].sendall(GET)
        assert idle[0].recv(65536).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_are_closed_after_a_while(run_server: Any) -> None:
    with run_server(answer, idle_timeout_s=0.2) as server, server.connect() as client:
        client.sendall(GET)
        assert b"200 OK" in client.recv(65536)
        assert server.rest_of(client) == b""


def test_beyond_the_limit_an_idle_connection_makes_room(run_server: Any) -> None:
    with run_server(answer, max_connections=3) as server, ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(3)]
        server.await_connections(3)
        with server.connect() as client:
            client.sendall(GET)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert idle[0].recv(1) == b""


def test_beyond_the_limit_of_busy_connections_the_next_is_refused(run_server: Any) -> None:
    release = threading.Event()

    async def held(request: Request) -> Answer:
        while not release.is_set():
            await asyncio.sleep(0.01)
        return Answer(200, b"{}")

    with run_server(held, max_connections=2) as server, ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(2)]
        for each in busy:
            each.sendall(GET)
        server.await_until(
            lambda: sum(not c.is_waiting for c in list(server.server.connections)) == 2
        )
        received = server.ask()
        assert received.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in received
        release.set()
        for each in busy:
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_request_of_a_client_that_leaves_is_cancelled(run_server: Any) -> None:
    begun, cancelled = threading.Semaphore(0), threading.Semaphore(0)

    async def held(request: Request) -> Answer:
        begun.release()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.release()
            raise
        return Answer(200, b"{}")

    with run_server(held) as server:
        for reset in (False, True):
            with server.connect() as client:
                client.sendall(GET)
                assert begun.acquire(timeout=PATIENCE_S)
                if reset:
                    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            assert cancelled.acquire(timeout=PATIENCE_S)
        server.await_connections(0)


def test_a_client_that_does_not_read_is_given_up(run_server: Any) -> None:
    with run_server(answer, send_timeout_s=0.4) as server, server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(GET.replace(b"/a", b"/big") * 20)
        server.await_connections(1)
        server.await_connections(0)
