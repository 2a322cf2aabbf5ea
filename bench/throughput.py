"""Requests a second of `twite serve` beside a bare ASGI app that gives the same answers."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from row import Row, at_least
from servers import first_answer, free_port, running, twite_serve

HERE = Path(__file__).parent
CONNECTIONS = 16
WARM_UP_S = 1.0
ROUND_S = 2.0
ROUNDS = 7
BODY = '{"features": [[5.1, 3.5, 0.2]]}'
JSON = "application/json"


def rows(dist: Path) -> list[Row]:
    twite, bare = throughput(dist / "iris")
    print(f"iris: {twite:,.0f} requests/s; bare ASGI app {bare:,.0f}")
    print(f"  {loader()}, {CONNECTIONS} connections, median of {ROUNDS} rounds of {ROUND_S:.0f} s")
    return [at_least("requests/s × bare ASGI app", twite / bare, 0.8)]


def throughput(bundle: Path) -> tuple[float, float]:
    """Median requests a second of twite and of the bare app, in alternating rounds."""
    with both_running(bundle) as ports:
        rates: dict[int, list[float]] = {port: [] for port in ports}
        for port in ports:
            load(port, WARM_UP_S)
        for i in range(ROUNDS):
            for port in ports if i % 2 else reversed(ports):
                rates[port].append(load(port, ROUND_S))
    return median(rates[ports[0]]), median(rates[ports[1]])


@contextmanager
def both_running(bundle: Path) -> Iterator[tuple[int, int]]:
    """The ports of twite and of the bare app, which give the same answer."""
    ports = free_port(), free_port()
    bare_app = [sys.executable, str(HERE / "bare_asgi.py"), str(bundle), str(ports[1])]
    with running(twite_serve(bundle, ports[0])) as twite, running(bare_app) as bare:
        answers = [
            first_answer(process, port, BODY.encode(), JSON)
            for process, port in zip((twite, bare), ports, strict=True)
        ]
        if answers[0] != answers[1]:
            raise SystemExit(f"twite answers {answers[0]!r}, the bare app {answers[1]!r}")
        yield ports


def loader() -> str:
    return "wrk" if shutil.which("wrk") else "bench/load.py"


def load(port: int, seconds: float) -> float:
    return _wrk(port, seconds) if loader() == "wrk" else _load(port, seconds)


def _load(port: int, seconds: float) -> float:
    numbers = [str(port), str(CONNECTIONS), str(seconds)]
    command = [sys.executable, str(HERE / "load.py"), *numbers, BODY]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _wrk(port: int, seconds: float) -> float:
    script = f"wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['Content-Type'] = '{JSON}'\n"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", file.name]
        command = ["wrk", *options, f"http://127.0.0.1:{port}/predict"]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if rate is None or "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(f"wrk says\n{printed}")
    return float(rate[1])
