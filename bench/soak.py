"""Ten minutes of good, bad and abandoned requests at full load: memory must not grow."""

import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from row import Row, at_most
from servers import ask, first_answer, free_port, running, twite_serve
from serving import photo
from start import rss_mb

SECONDS = float(os.environ.get("BENCH_SOAK_S", "600"))
SETTLED_AFTER = 0.1
CLIENTS = 6
JSON = "application/json"


class Workload(NamedTuple):
    """What the clients of one server send; a bad body is answered with 4xx."""

    bundle: str
    good: bytes
    content_type: str
    bad: tuple[bytes, ...]


NUMBERS = Workload(
    "iris",
    b'{"features": [[5.1, 3.5, 0.2]]}',
    JSON,
    (
        b"{nonsense",
        b"",
        b'{"features": [[1, 2], [3]]}',
        b'{"features": "seven"}',
        b'{"inputs": {"petals": [1]}}',
        b"[" * 4000,
    ),
)


def pictures() -> Workload:
    jpeg = photo()
    return Workload("imagenet", jpeg, "image/jpeg", (b"", b"no picture", jpeg[:300], jpeg[300:]))


def rows(dist: Path) -> list[Row]:
    """A server that computes on its event loop and one that does in threads, side by side."""
    with ExitStack() as servers:
        memory: dict[str, Callable[[], float]] = {}
        wrong: list[bytes] = []
        threads: list[threading.Thread] = []
        end = time.monotonic() + SECONDS
        for load in (NUMBERS, pictures()):
            port = free_port()
            server = servers.enter_context(running(twite_serve(dist / load.bundle, port)))
            right = first_answer(server, port, load.good, load.content_type)
            threads += [
                threading.Thread(target=mix, args=(port, load, seed, end, right, wrong))
                for seed in range(CLIENTS)
            ]
            memory[load.bundle] = partial(rss_mb, server.pid)
        for thread in threads:
            thread.start()
        time.sleep(SETTLED_AFTER * SECONDS)
        settled = {name: read() for name, read in memory.items()}
        for thread in threads:
            thread.join()
        at_end = {name: read() for name, read in memory.items()}
    print(f"soak: {SECONDS:.0f} s, MB after a tenth and at the end: {settled}, {at_end}")
    return [
        *(
            at_most(f"memory with {name} at the end × after a tenth", at_end[name] / before, 1.02)
            for name, before in settled.items()
        ),
        at_most("wrong answers", len(wrong), 0, "", 0),
    ]


def mix(port: int, load: Workload, seed: int, end: float, right: bytes, wrong: list[bytes]) -> None:
    """One client: mostly good requests, some bad ones, and some that it does not wait for."""
    rng = random.Random(seed)
    while time.monotonic() < end:
        kind = rng.random()
        if kind < 0.7:
            status, answer = ask(port, load.good, load.content_type)
            if (status, answer) != (200, right):
                wrong.append(answer)
        elif kind < 0.85:
            status, answer = ask(port, rng.choice(load.bad), load.content_type)
            if not (400 <= status < 500 and answer.startswith(b'{"error"')):
                wrong.append(answer)
        else:
            leave(port, load, rng)


def leave(port: int, load: Workload, rng: random.Random) -> None:
    """Hang up anywhere from the first byte of a request to its last."""
    head = (
        f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: {load.content_type}\r\n"
        f"content-length: {len(load.good)}\r\n\r\n"
    )
    whole = head.encode() + load.good
    cut = rng.choice((rng.randrange(1, len(whole)), len(whole)))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(whole[:cut])
