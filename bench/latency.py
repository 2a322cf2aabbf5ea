"""What one request takes, one after the other, beside a bare ASGI app with the same answer."""

import socket
from pathlib import Path
from statistics import median
from time import perf_counter

from load import first_answer
from row import Row, at_most
from throughput import BODY, both_running

ROUNDS = 40
ASKED = 100


def rows(dist: Path) -> list[Row]:
    twite_s, bare_s = latency(dist / "iris")
    print(f"iris, one client: median {twite_s * 1e6:.0f} µs; bare ASGI app {bare_s * 1e6:.0f} µs")
    return [at_most("median added to the bare ASGI app's", (twite_s - bare_s) * 1e6, 25, "µs", 0)]


def latency(bundle: Path) -> tuple[float, float]:
    """Median seconds of twite and of the bare app, in alternating rounds on one connection each."""
    with both_running(bundle) as ports:
        connections = [socket.create_connection(("127.0.0.1", port)) for port in ports]
        took: list[list[float]] = [[], []]
        for i in range(ROUNDS):
            for which in (0, 1) if i % 2 else (1, 0):
                took[which] += ask(connections[which], BODY.encode())
        for connection in connections:
            connection.close()
    return median(took[0]), median(took[1])


def ask(connection: socket.socket, body: bytes) -> list[float]:
    """Seconds of each of many requests."""
    request = (
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )
    # The id of an answer may grow by a digit, its body not.
    end = first_answer(connection, request).rpartition(b"\r\n\r\n")[2]
    took = []
    for _ in range(ASKED):
        begin = perf_counter()
        connection.sendall(request)
        while not connection.recv(65536).endswith(end):
            continue
        took.append(perf_counter() - begin)
    return took
