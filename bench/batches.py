"""What micro-batches gain, and that they never lose."""

from functools import partial
from pathlib import Path

from row import Row, at_least
from servers import first_answer, free_port, running, twite_serve
from serving import alternate
from wrk import Load, wrk

from twite import bundle

CONNECTIONS, ROUND_S = 16, 4.0
NPY = "application/x-npy"


def rows(dist: Path) -> list[Row]:
    return [row(dist / "digits"), row(dist / "mobilenetv2")]


def row(path: Path) -> Row:
    """Requests a second with batches as measured at the start, beside batches of 1."""
    (array,) = bundle.load(path).golden_inputs().values()
    body = bundle.npy(array[0])
    ports = free_port(), free_port()
    plain = [*twite_serve(path, ports[1]), "--batch", "1"]
    with running(twite_serve(path, ports[0])) as first, running(plain) as second:
        for process, port in zip((first, second), ports, strict=True):
            first_answer(process, port, body, NPY)
        batched, alone = alternate([partial(rate, port, body) for port in ports])
    print(f"{path.name}, {CONNECTIONS} connections: {batched:,.0f} a second with batches, ", end="")
    print(f"{alone:,.0f} without")
    return at_least(f"{path.name}: with batches × without", batched / alone, 0.98)


def rate(port: int, body: bytes) -> float:
    headers = {"Content-Type": NPY}
    found: Load = wrk(port, "/predict", body, headers, connections=CONNECTIONS, seconds=ROUND_S)
    return found.rate
