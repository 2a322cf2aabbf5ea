"""Our HTTP server over real sockets, in front of an endpoint that says what it was asked."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from twite.server.exchange import Answer, Request

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


def answers(received: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer in what was received."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        length = int((re.search(rb"content-length: (\d+)", head) or [b"", b"0"])[1])
        found.append((int(head.split()[1]), received[:length]))
        received = received[length:]
    return found


@pytest.fixture(scope="module")
def echoing(run_server: Any) -> Iterator[Any]:
    with run_server(echo) as found:
        yield found


def test_answers_and_keeps_the_connection(echoing: Any) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{echoing.port}") as client:
        for _ in range(3):
            answer = client.post("/a%20b/%C3%BC?q=%20", content=b"hello")
            assert answer.json()["path"] == "/a b/ü"
            assert answer.json()["query"] == "q=%20"
            assert answer.json()["body"] == "hello"
            assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", answer.headers["date"])
        echoing.await_connections(1)
    echoing.await_connections(0)


def test_head_gets_the_head_of_what_get_answers(echoing: Any) -> None:
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
def test_what_breaks_the_rules_is_told_which(echoing: Any, sent: bytes, status: int) -> None:
    before = len(echoing.refusals)
    ((found, body),) = answers(echoing.ask(sent))
    assert found == status
    assert list(json.loads(body)) == ["error"]
    assert echoing.refusals[before:] == [status]


def test_a_good_request_before_a_broken_one_is_answered(echoing: Any) -> None:
    received = echoing.ask(GET + b"nonsense\r\n\r\n")
    assert [status for status, _ in answers(received)] == [200, 400]


def test_pipelined_requests_are_answered_in_their_order(echoing: Any) -> None:
    paths = ["/wait", "/b", "/wait", "/d", "/e"] * 8
    requests = [f"GET {path}?{i} HTTP/1.1\r\nhost: x\r\n\r\n" for i, path in enumerate(paths)]
    requests[-1] = requests[-1].replace("host: x", "host: x\r\nconnection: close")
    found = answers(echoing.ask("".join(requests).encode()))
    assert [status for status, _ in found] == [200] * 40
    assert [json.loads(body)["query"] for _, body in found] == [str(i) for i in range(40)]


def test_many_pipelined_requests_behind_a_slow_one_wait_as_bytes(echoing: Any) -> None:
    first = b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    found = answers(echoing.ask(first + GET * 5000 + last))
    assert len(found) == 5002
    assert json.loads(found[-1][1])["path"] == "/end"


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_requests_in_pieces_are_whole_again(echoing: Any, step: int) -> None:
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


def test_a_large_body_comes_whole(echoing: Any) -> None:
    body = bytes(range(256)) * 20_000
    answer = httpx.post(f"http://127.0.0.1:{echoing.port}/a", content=body)
    assert answer.json()["body"].encode("latin-1") == body


def test_a_body_is_asked_for_when_the_client_expects_it(echoing: Any) -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n"
    with echoing.connect() as client:
        client.sendall(head + b"connection: close\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        ((status, body),) = answers(echoing.rest_of(client))
    assert (status, json.loads(body)["body"]) == (200, "hello")


def test_a_body_that_is_too_large_is_not_asked_for(echoing: Any) -> None:
    head = (
        b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
    )
    received = echoing.ask(head)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received
    assert b"99999999 bytes; this server takes up to 16777216" in received


def test_a_refusal_arrives_though_the_client_is_still_sending(echoing: Any) -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n"
    received = echoing.ask(head, *[b"x" * 65536] * 16)
    assert received.startswith(b"HTTP/1.1 413 ")


def test_chunk_extensions_do_not_go_round_the_limit(run_server: Any) -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    with run_server(echo, max_header_bytes=1000) as server:
        received = server.ask(head, *[b"1;%b\r\nx\r\n" % (b"e" * 1000)] * 100)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"more chunk extensions" in received


def test_http_1_0_closes_unless_it_asks_to_stay(echoing: Any) -> None:
    received = echoing.ask(b"GET /a HTTP/1.0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in received
    with echoing.connect() as client:
        for _ in range(2):
            client.sendall(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
            assert b"connection: keep-alive\r\n" in client.recv(65536)


def test_absolute_targets_and_upgrades_are_plain_requests(echoing: Any) -> None:
    absolute = b"GET http://x/a/b?c HTTP/1.1\r\nhost: x\r\n\r\n"
    upgrade = b"POST /u HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
    end = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    received = echoing.ask(absolute + upgrade + b"content-length: 2\r\n\r\nhi" + end)
    found = [json.loads(body) for _, body in answers(received)]
    assert [each["path"] for each in found] == ["/a/b", "/u", "/end"]
    assert (found[0]["query"], found[1]["body"]) == ("c", "hi")


def test_a_client_that_has_sent_all_and_closed_its_side_is_answered(echoing: Any) -> None:
    with echoing.connect() as client:
        client.sendall(GET)
        client.shutdown(socket.SHUT_WR)
        assert [status for status, _ in answers(echoing.rest_of(client))] == [200]


def test_no_stack_trace_and_no_broken_header_leaves(echoing: Any) -> None:
    for path in (b"/raises", b"/bad-header"):
        received = echoing.ask(GET.replace(b"/a", path), b"nonsense\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 500 ")
        assert b"secret" not in received
        assert b"Traceback" not in received
        assert b"x-worse" not in received


def test_a_large_answer_comes_whole_and_the_next_request_is_answered(echoing: Any) -> None:
    end = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    found = answers(echoing.ask(GET.replace(b"/a", b"/big") * 3 + end))
    assert [len(body) for _, body in found[:3]] == [4_000_000] * 3
    assert json.loads(found[3][1])["path"] == "/end"
