"""The same .tflite behind Twite, FastAPI, LitServe and MLServer, each as its documentation says.

make bench ROWS=compare prints the table of docs/benchmarks.md. The peers live in .venvs/peers and
.venvs/mlserver (make peers).
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from asks import (
    FLOWER,
    Ask,
    nested,
    numbers,
    octets,
    picture,
    protocol,
    protocol_picture,
    raw,
    tensor,
    upload,
)
from row import Row, at_least
from servers import environment, free_port, twite_serve
from serving import tensor_bundle
from wrk import Load, wrk

from twite import bundle

HERE = Path(__file__).parent
ROOT = HERE.parent
CONNECTIONS = (1, 8, 32)
ROUND_S = float(os.environ.get("BENCH_ROUND_S", "5"))
PATIENCE_S = 120.0


class Peer(NamedTuple):
    """command makes the server's command for a bundle and a port."""

    name: str
    command: Callable[[Path, int, Path], list[str]]
    asks: dict[str, Callable[[Path], Ask]]
    variables: tuple[tuple[str, str], ...] = ()


class Result(NamedTuple):
    """start_s to the first answer of 2xx; memory in MB of all its processes."""

    start_s: float
    idle_mb: float
    loaded_mb: float
    loads: dict[int, Load]


def rows(dist: Path) -> list[Row]:
    bundles = {
        "numbers": dist / "iris",
        "pictures": dist / "imagenet",
        "binary tensors": tensor_bundle(dist),
        "JSON tensors": tensor_bundle(dist),
    }
    found: list[Row] = []
    for workload, path in bundles.items():
        results = {
            peer.name: measure(peer, workload, path) for peer in PEERS if workload in peer.asks
        }
        print_table(workload, results)
        found += rows_of(workload, results)
    return found


def measure(peer: Peer, workload: str, path: Path) -> Result:
    ask = peer.asks[workload](path)
    # A first start, not counted, brings the files of each from the disk.
    port = free_port()
    with serving(peer, path, port) as process:
        wait_for_answer(process, port, ask)
    port = free_port()
    begin = time.perf_counter()
    with serving(peer, path, port) as process:
        wait_for_answer(process, port, ask)
        start_s = time.perf_counter() - begin
        time.sleep(1.0)
        idle = tree_mb(process.pid)
        run = lambda connections: wrk(  # noqa: E731
            port, *ask, connections=connections, seconds=ROUND_S
        )
        run(8)
        loads = {connections: run(connections) for connections in CONNECTIONS}
        return Result(start_s, idle, tree_mb(process.pid), loads)


@contextmanager
def serving(peer: Peer, path: Path, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """The peer's processes, all of them ended when the block is left."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        variables = {
            **environment(),
            "BUNDLE": str(path.absolute()),
            "PORT": str(port),
            # What a server that had to be killed leaves there goes with the folder.
            "TMPDIR": folder,
            **dict(peer.variables),
        }
        command = peer.command(path, port, Path(folder))
        process = subprocess.Popen(
            command,
            env=variables,
            cwd=HERE / "peers",
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        except SystemExit:
            log.seek(0)
            print(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            end_group(process)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    import signal

    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def wait_for_answer(process: "subprocess.Popen[bytes]", port: int, ask: Ask) -> None:
    import http.client

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            connection.request("POST", ask.path, ask.body, ask.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return
        except (ConnectionError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.002)
    raise SystemExit(f"{process.args!r} never answered {ask.path} with 200")


def tree_mb(pid: int) -> float:
    """Proportional memory of a process and all below it, so that shared pages count once."""
    total = 0
    for process in [pid, *descendants(pid)]:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def print_table(workload: str, results: dict[str, Result]) -> None:
    head = ["server", "start s", "idle MB", "loaded MB"]
    head += [f"{c}: req/s, p99 ms" for c in CONNECTIONS]
    print(f"\n{workload}\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name, result in results.items():
        cells = [f"{result.start_s:.2f}", f"{result.idle_mb:.0f}", f"{result.loaded_mb:.0f}"]
        cells += [f"{load.rate:,.0f}, {load.p99_s * 1000:.1f}" for load in result.loads.values()]
        print(f"| {name} | {' | '.join(cells)} |")


def rows_of(workload: str, results: dict[str, Result]) -> list[Row]:
    own = results.pop(PEERS[0].name)
    peers = list(results.values())
    found = []
    for connections in CONNECTIONS:
        best = max(peer.loads[connections].rate for peer in peers)
        name = f"{workload}, {connections} at once: requests/s × the best peer"
        found.append(at_least(name, own.loads[connections].rate / best, 1.0))
        best = min(peer.loads[connections].p99_s for peer in peers)
        name = f"{workload}, {connections} at once: best peer's p99 × ours"
        found.append(at_least(name, best / own.loads[connections].p99_s, 1.0))
    for what in ("start_s", "idle_mb", "loaded_mb"):
        best = min(getattr(peer, what) for peer in peers)
        found.append(
            at_least(f"{workload}: best peer's {what} × ours", best / getattr(own, what), 1.0)
        )
    return found


def twite(path: Path, port: int, folder: Path) -> list[str]:
    return twite_serve(path.absolute(), port)


def python_app(environment_name: str, script: str) -> Callable[[Path, int, Path], list[str]]:
    def command(path: Path, port: int, folder: Path) -> list[str]:
        return [str(ROOT / ".venvs" / environment_name / "bin/python"), script]

    return command


def mlserver(path: Path, port: int, folder: Path) -> list[str]:
    name = bundle.read_manifest(path).name
    settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings |= {"parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": name, "implementation": "mlserver_app.Runtime"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    return [str(ROOT / ".venvs/mlserver/bin/mlserver"), "start", str(folder)]


PEERS = (
    Peer(
        "Twite, one process",
        twite,
        {
            "numbers": numbers,
            "pictures": picture("/predict?top_k=3"),
            "binary tensors": octets,
            "JSON tensors": protocol(tensor),
        },
    ),
    Peer(
        "FastAPI, 2 workers",
        python_app("peers", "fastapi_app.py"),
        {
            "numbers": numbers,
            "pictures": picture("/picture"),
            "binary tensors": raw,
            "JSON tensors": nested("/tensor", "tensor"),
        },
        (("WORKERS", "2"),),
    ),
    Peer(
        "LitServe, 2 workers",
        python_app("peers", "litserve_app.py"),
        {
            "numbers": numbers,
            "pictures": picture("/predict"),
            "binary tensors": upload,
            "JSON tensors": nested("/predict", "tensor"),
        },
        (("WORKERS", "2"),),
    ),
    Peer(
        "MLServer",
        mlserver,
        {
            "numbers": protocol(lambda path: FLOWER),
            "pictures": protocol_picture,
            "JSON tensors": protocol(tensor),
        },
        (("PYTHONPATH", str(HERE / "peers")),),
    ),
)
