"""Bodies that are read right into their own memory, over real sockets."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.server.exchange import Answer, Request
from twite.server.long_body import LONG, long_body

CLOSE = b"GET /end HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def digest(request: Request) -> Answer:
    """The path and what the body was."""
    found = [request.path, request.size_bytes, hashlib.sha256(request.view).hexdigest()]
    assert bytes(request.view) == request.body
    return Answer(200, json.dumps(found).encode())


@pytest.fixture(scope="module")
def digesting(run_server: Any) -> Iterator[Any]:
    with run_server(digest) as found:
        yield found


def body_of(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def told(path: str, body: bytes) -> list[object]:
    return [path, len(body), hashlib.sha256(body).hexdigest()]


def answers(received: bytes) -> list[object]:
    parts = received.split(b"\r\n\r\n")[1:]
    return [json.loads(part.partition(b"HTTP/1.1")[0]) for part in parts]


@pytest.mark.parametrize("size", [LONG - 1, LONG, LONG + 1, 1_000_003])
@pytest.mark.parametrize("step", [1_009, 65_536, 10_000_000])
def test_a_body_is_the_same_however_it_is_cut(digesting: Any, size: int, step: int) -> None:
    body = body_of(size)
    sent = post("/a", body) + CLOSE
    received = digesting.ask(*[sent[i : i + step] for i in range(0, len(sent), step)])
    assert answers(received) == [told("/a", body), told("/end", b"")]


def test_long_and_short_ones_take_turns_on_a_connection(digesting: Any) -> None:
    bodies = [body_of(size) for size in (LONG, 0, 3 * LONG, 100, 20_000, 10 * LONG)]
    sent = b"".join(post(f"/{i}", body) for i, body in enumerate(bodies)) + CLOSE
    wanted = [told(f"/{i}", body) for i, body in enumerate(bodies)]
    assert answers(digesting.ask(sent)) == [*wanted, told("/end", b"")]


def test_one_without_a_length_comes_in_chunks(digesting: Any) -> None:
    body = body_of(5 * LONG)
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = [body[i : i + 9_999] for i in range(0, len(body), 9_999)]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert answers(digesting.ask(head + sent + CLOSE)) == [told("/a", body), told("/end", b"")]


@pytest.mark.parametrize("tensors_at", range(0, 40, 3))
def test_binary_tensors_are_aligned(tensors_at: int) -> None:
    body = long_body(LONG + tensors_at, tensors_at)
    assert len(body) == LONG + tensors_at + 1
    tensor = np.frombuffer(body, np.float64, LONG // 8, offset=tensors_at)
    assert tensor.flags.aligned


def test_one_that_goes_on_coming_is_given_its_time(run_server: Any) -> None:
    body = body_of(4 * LONG)
    sent = post("/a", body) + CLOSE
    with run_server(digest, body_timeout_s=0.2) as server, server.connect() as client:
        for i in range(0, len(sent), LONG):
            client.sendall(sent[i : i + LONG])
            time.sleep(0.3)
        assert answers(server.rest_of(client)) == [told("/a", body), told("/end", b"")]


def test_a_promise_takes_no_memory(digesting: Any) -> None:
    """A hundred clients promise a gigabyte together and send little of it."""
    held, before = digesting.server.held, resident_bytes()
    with ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(digesting.connect())
            client.sendall(post("/a", bytes(10_000_000))[:70_000])
        digesting.await_until(lambda: held.size > 100 * 69_000)
        assert resident_bytes() - before < 200_000_000
    digesting.await_until(lambda: held.size == 0)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
