"""Ten minutes of good, bad and abandoned requests at full load: memory must not grow."""

import os
import random
import socket
import threading
import time
from pathlib import Path

from row import Row, at_least, at_most
from servers import ask, first_answer, free_port, running, twite_serve
from start import rss_mb

SECONDS = float(os.environ.get("BENCH_SOAK_S", "600"))
SETTLED_AFTER = 0.1
CLIENTS = 12
JSON = "application/json"
GOOD = b'{"features": [[5.1, 3.5, 0.2]]}'
BAD = (
    b"{nonsense",
    b"",
    b'{"features": [[1, 2], [3]]}',
    b'{"features": "seven"}',
    b'{"inputs": {"petals": [1]}}',
    b"[" * 4000,
)


def rows(dist: Path) -> list[Row]:
    port = free_port()
    with running(twite_serve(dist / "iris", port)) as server:
        right = first_answer(server, port, GOOD, JSON)
        end = time.monotonic() + SECONDS
        wrong: list[bytes] = []
        threads = [
            threading.Thread(target=mix, args=(port, seed, end, right, wrong))
            for seed in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        time.sleep(SETTLED_AFTER * SECONDS)
        settled = rss_mb(server.pid)
        for thread in threads:
            thread.join()
        grown = rss_mb(server.pid) / settled
    print(f"soak: {SECONDS:.0f} s of {CLIENTS} clients, {settled:.0f} MB after a tenth of it")
    return [
        at_most("memory at the end × after a tenth", grown, 1.02),
        at_least("wrong answers: none", -len(wrong), 0, "", 0),
    ]


def mix(port: int, seed: int, end: float, right: bytes, wrong: list[bytes]) -> None:
    """One client: mostly good requests, some bad ones, and some that it does not wait for."""
    rng = random.Random(seed)
    while time.monotonic() < end:
        kind = rng.random()
        if kind < 0.7:
            status, answer = ask(port, GOOD, JSON)
            if (status, answer) != (200, right):
                wrong.append(answer)
        elif kind < 0.85:
            status, answer = ask(port, rng.choice(BAD), JSON)
            if not (400 <= status < 500 and answer.startswith(b'{"error"')):
                wrong.append(answer)
        else:
            leave(port, rng)


def leave(port: int, rng: random.Random) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    whole = head + b"content-length: %d\r\n\r\n" % len(GOOD) + GOOD
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(whole[: rng.randrange(1, len(whole) + 1)])
