"""Our HTTP server over real sockets, in front of an endpoint that says what it was asked."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import uvloop

from twite.server.exchange import Answer, Endpoint, Request
from twite.server.http import HttpServer
from twite.server.limits import limits_of
from twite.settings import Settings

PATIENCE_S = 30.0
CHUNKED = b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"


async def echo(request: Request) -> Answer:
    """What came, as JSON; /wait takes a task of its own, /big answers with 4 MB."""
    if request.path == "/wait":
        await asyncio.sleep(0.05)
    if request.path == "/big":
        return Answer(200, b"x" * 4_000_000, "text/plain")
    if request.path == "/bad-header":
        return Answer(200, b"", headers=(("x-bad", "a\r\nx-worse: b"),))
    if request.path == "/raises":
        raise KeyError("a secret")
    found = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body.decode("latin-1"),
        "headers": request.headers,
    }
    return Answer(200, json.dumps(found).encode())


class Running:
    """A server in a thread of its own, and the connections that it holds."""

    def __init__(self, server: HttpServer, listener: socket.socket) -> None:
        self.server = server
        self.port = listener.getsockname()[1]
        self.refusals: list[int] = []

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def ask(self, *pieces: bytes) -> bytes:
        """Everything that the server sends until it closes."""
        with self.connect() as client:
            for piece in pieces:
                client.sendall(piece)
            return rest_of(client)

    def await_connections(self, count: int) -> None:
        await_until(lambda: len(self.server.connections) == count)


def await_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rest_of(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def answers(received: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer in what was received."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        length = int((re.search(rb"content-length: (\d+)", head) or [b"", b"0"])[1])
        found.append((int(head.split()[1]), received[:length]))
        received = received[length:]
    return found


@contextmanager
def running(app: Endpoint = echo, **limits: Any) -> Iterator[Running]:
    listener = socket.create_server(("127.0.0.1", 0))
    refusals: list[int] = []
    server = HttpServer(
        app, limits_of(Settings(**limits)), lambda answer: refusals.append(answer.status)
    )
    found = Running(server, listener)
    found.refusals = refusals
    started, stop = threading.Event(), asyncio.Event()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def serve() -> None:
            await server.start(listener)
            started.set()
            await stop.wait()
            await server.drain(PATIENCE_S)

        loop = runner.get_loop()
        thread = threading.Thread(target=lambda: runner.run(serve()))
        thread.start()
        try:
            assert started.wait(PATIENCE_S)
            yield found
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE_S)
            listener.close()
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def echoing() -> Iterator[Running]:
    with running() as found:
        yield found


def test_answers_and_keeps_the_connection(echoing: Running) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{echoing.port}") as client:
        for _ in range(3):
            answer = client.post("/a%20b/%C3%BC?q=%20", content=b"hello")
            assert answer.json()["path"] == "/a b/ü"
            assert answer.json()["query"] == "q=%20"
            assert answer.json()["body"] == "hello"
            assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", answer.headers["date"])
        echoing.await_connections(1)
    echoing.await_connections(0)


def test_head_gets_the_head_of_what_get_answers(echoing: Running) -> None:
    received = echoing.ask(b"HEAD /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert re.search(rb"content-length: [1-9]\d+\r\n", received)
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: \x00\r\n\r\n", 400),
        (b"GET /\xc3\xbc HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
        (b"GET / HTTP/3.0\r\nhost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n" + CHUNKED, 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\nexpect: tea\r\ncontent-length: 1\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 16777217\r\n\r\n", 413),
        (b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"a" * 9000), 414),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: %b\r\n\r\n" % (b"a" * 40_000), 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: %b" % (b"a" * 80_000), 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % b"".join([b"a: b\r\n"] * 200), 431),
    ],
)
def test_what_breaks_the_rules_is_told_which(echoing: Running, sent: bytes, status: int) -> None:
    before = len(echoing.refusals)
    ((found, body),) = answers(echoing.ask(sent))
    assert found == status
    assert list(json.loads(body)) == ["error"]
    assert echoing.refusals[before:] == [status]


def test_a_good_request_before_a_broken_one_is_answered(echoing: Running) -> None:
    received = echoing.ask(GET + b"nonsense\r\n\r\n")
    assert [status for status, _ in answers(received)] == [200, 400]


def test_pipelined_requests_are_answered_in_their_order(echoing: Running) -> None:
    paths = ["/wait", "/b", "/wait", "/d", "/e"] * 8
    requests = [f"GET {path}?{i} HTTP/1.1\r\nhost: x\r\n\r\n" for i, path in enumerate(paths)]
    requests[-1] = requests[-1].replace("host: x", "host: x\r\nconnection: close")
    found = answers(echoing.ask("".join(requests).encode()))
    assert [status for status, _ in found] == [200] * 40
    assert [json.loads(body)["query"] for _, body in found] == [str(i) for i in range(40)]


def test_many_pipelined_requests_behind_a_slow_one_wait_as_bytes(echoing: Running) -> None:
    first = b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    found = answers(echoing.ask(first + GET * 5000 + last))
    assert len(found) == 5002
    assert json.loads(found[-1][1])["path"] == "/end"


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_requests_in_pieces_are_whole_again(echoing: Running, step: int) -> None:
    body = bytes(range(256)) * 2
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    chunks = b"".join(b"%x;ext\r\n%b\r\n" % (len(part), part) for part in (body[:3], body[3:]))
    chunked = b"POST /b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: Chunked\r\n\r\n" + chunks
    trailer = b"0\r\nx-checksum: 1\r\n\r\n"
    end = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    sent = head + body + chunked + trailer + head + body + end
    pieces = [sent[i : i + step] for i in range(0, len(sent), step)]
    found = [json.loads(text) for _, text in answers(echoing.ask(*pieces))]
    assert [each["path"] for each in found] == ["/a", "/b", "/a", "/end"]
    assert [each["body"].encode("latin-1") for each in found] == [body, body, body, b""]
    assert "x-checksum" not in found[1]["headers"]


def test_a_large_body_comes_whole(echoing: Running) -> None:
    body = bytes(range(256)) * 20_000
    answer = httpx.post(f"http://127.0.0.1:{echoing.port}/a", content=body)
    assert answer.json()["body"].encode("latin-1") == body


def test_a_body_is_asked_for_when_the_client_expects_it(echoing: Running) -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n"
    with echoing.connect() as client:
        client.sendall(head + b"connection: close\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        ((status, body),) = answers(rest_of(client))
    assert (status, json.loads(body)["body"]) == (200, "hello")


def test_a_body_that_is_too_large_is_not_asked_for(echoing: Running) -> None:
    head = (
        b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
    )
    received = echoing.ask(head)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received
    assert b"99999999 bytes; this server takes up to 16777216" in received


def test_a_refusal_arrives_though_the_client_is_still_sending(echoing: Running) -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n"
    received = echoing.ask(head, *[b"x" * 65536] * 16)
    assert received.startswith(b"HTTP/1.1 413 ")


def test_chunk_extensions_do_not_go_round_the_limit() -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with running(max_header_bytes=1000) as server:
        received = server.ask(head, *[b"1;%b\r\nx\r\n" % (b"e" * 1000)] * 100)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"more chunk extensions" in received


def test_http_1_0_closes_unless_it_asks_to_stay(echoing: Running) -> None:
    received = echoing.ask(b"GET /a HTTP/1.0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in received
    with echoing.connect() as client:
        for _ in range(2):
            client.sendall(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            assert b"connection: keep-alive\r\n" in client.recv(65536)


def test_absolute_targets_and_upgrades_are_plain_requests(echoing: Running) -> None:
    absolute = b"GET http://x/a/b?c HTTP/1.1\r\nhost: x\r\n\r\n"
    upgrade = b"POST /u HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
    end = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    received = echoing.ask(absolute + upgrade + b"content-length: 2\r\n\r\nhi" + end)
    found = [json.loads(body) for _, body in answers(received)]
    assert [each["path"] for each in found] == ["/a/b", "/u", "/end"]
    assert (found[0]["query"], found[1]["body"]) == ("c", "hi")


def test_a_client_that_has_sent_all_and_closed_its_side_is_answered(echoing: Running) -> None:
    with echoing.connect() as client:
        client.sendall(GET)
        client.shutdown(socket.SHUT_WR)
        assert [status for status, _ in answers(rest_of(client))] == [200]


def test_no_stack_trace_and_no_broken_header_leaves(echoing: Running) -> None:
    for path in (b"/raises", b"/bad-header"):
        received = echoing.ask(GET.replace(b"/a", path), b"nonsense\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 500 ")
        assert b"secret" not in received
        assert b"Traceback" not in received
        assert b"x-worse" not in received


def test_a_slow_head_and_a_slow_body_are_given_up() -> None:
    with running(header_timeout_s=0.3, body_timeout_s=0.3) as server:
        assert server.ask(b"GET / HT").startswith(b"HTTP/1.1 408 ")
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab"
        received = server.ask(head)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"TWITE_BODY_TIMEOUT_S" in received


def test_a_head_that_trickles_is_given_up_and_others_are_not_kept_waiting() -> None:
    with running(header_timeout_s=0.5) as server, ExitStack() as stack:
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


def test_a_thousand_idle_connections_keep_nobody_waiting() -> None:
    with running() as server, ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(1000)]
        server.await_connections(1000)
        with server.connect() as client:
            client.sendall(GET)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        idle[0].sendall(GET)
        assert idle[0].recv(65536).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_are_closed_after_a_while() -> None:
    with running(idle_timeout_s=0.2) as server, server.connect() as client:
        client.sendall(GET)
        assert b"200 OK" in client.recv(65536)
        assert rest_of(client) == b""


def test_beyond_the_limit_an_idle_connection_makes_room() -> None:
    with running(max_connections=3) as server, ExitStack() as stack:
        idle = [stack.enter_context(server.connect()) for _ in range(3)]
        server.await_connections(3)
        with server.connect() as client:
            client.sendall(GET)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert idle[0].recv(1) == b""


def test_beyond_the_limit_of_busy_connections_the_next_is_refused() -> None:
    release = threading.Event()

    async def held(request: Request) -> Answer:
        while not release.is_set():
            await asyncio.sleep(0.01)
        return Answer(200, b"{}")

    with running(held, max_connections=2) as server, ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(2)]
        for each in busy:
            each.sendall(GET)
        await_until(lambda: sum(not c.is_waiting for c in list(server.server.connections)) == 2)
        received = server.ask()
        assert received.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in received
        release.set()
        for each in busy:
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_request_of_a_client_that_leaves_is_cancelled() -> None:
    begun, cancelled = threading.Semaphore(0), threading.Semaphore(0)

    async def held(request: Request) -> Answer:
        begun.release()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.release()
            raise
        return Answer(200, b"{}")

    with running(held) as server:
        for reset in (False, True):
            with server.connect() as client:
                client.sendall(GET)
                assert begun.acquire(timeout=PATIENCE_S)
                if reset:
                    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            assert cancelled.acquire(timeout=PATIENCE_S)
        server.await_connections(0)


def test_a_client_that_does_not_read_is_given_up() -> None:
    with running(send_timeout_s=0.4) as server, server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(GET.replace(b"/a", b"/big") * 20)
        server.await_connections(1)
        server.await_connections(0)


def test_a_large_answer_comes_whole_and_the_next_request_is_answered(echoing: Running) -> None:
    end = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    found = answers(echoing.ask(GET.replace(b"/a", b"/big") * 3 + end))
    assert [len(body) for _, body in found[:3]] == [4_000_000] * 3
    assert json.loads(found[3][1])["path"] == "/end"
