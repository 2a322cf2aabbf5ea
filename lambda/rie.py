"""The Runtime Interface Emulator of AWS, out of the wheel of aws-sam-cli, as a plain process.

Not part of the function: it runs the handler on this machine as Lambda would.
"""

import http.client
import os
import platform
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from twite.errors import ChildFailed, UsageError

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venvs" / "lambda" / "bin" / "python"
INVOKE = "/2015-03-31/functions/function/invocations"
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
PATIENCE_S = 60.0


class Emulator:
    """An emulator that listens; the function's own process starts with its first event."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}{INVOKE}"

    def invoke(self, event: bytes, timeout_s: float = PATIENCE_S) -> tuple[int, bytes]:
        """Status and body of one invocation; raises ChildFailed when the emulator is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("POST", INVOKE, event)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError as error:
            status = self.process.poll()
            raise ChildFailed(
                f"the emulator on port {self.port} does not answer ({error}); "
                + ("it still runs" if status is None else f"it ended with {status}")
            ) from error
        finally:
            connection.close()


@contextmanager
def emulator(
    settings: Mapping[str, str],
    *,
    handler: str = "entry.handler",
    python: Path = PYTHON,
    folder: Path | None = None,
    log: IO[bytes] | int | None = None,
) -> Iterator[Emulator]:
    """The function in the emulator, with all its processes ended when the block is left.

    settings is the function's environment, folder its code where that is not the repository's.
    Raises UsageError where the emulator or the function's packages are not installed.
    """
    ports = free_ports(2)
    rie = ["--runtime-interface-emulator-address", f"127.0.0.1:{ports[0]}"]
    rie += ["--runtime-api-address", f"127.0.0.1:{ports[1]}"]
    process = subprocess.Popen(
        [binary(), *rie, _installed(python), "-m", "awslambdaric", handler],
        env=environment(settings, folder),
        cwd=folder or ROOT / "lambda",
        stdout=log,
        stderr=log,
        # A session of its own: Ctrl-C reaches us alone, and we end it with all its children.
        start_new_session=True,
    )
    try:
        wait_for_port(ports[0], process)
        yield Emulator(process, ports[0])
    finally:
        end(process)


def environment(settings: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """The function's own: nothing of ours but where programs and time zones are."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    code = [folder] if folder else [ROOT / "lambda", ROOT / "runtime"]
    path = os.pathsep.join(map(str, code))
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **settings}


def binary() -> Path:
    """The emulator for this machine; raises UsageError where it is not installed."""
    machine = MACHINES.get(platform.machine())
    if machine is None:
        raise UsageError(
            f"there is no emulator for {platform.machine()}; x86_64 and arm64 have one"
        )
    wheels = (ROOT / ".venvs" / "sam").glob("lib/python3*/site-packages/samcli/local/rapid")
    path = next(wheels, Path("no-emulator")) / f"aws-lambda-rie-{machine}"
    if not path.exists():
        raise UsageError("the emulator is not installed: make .venvs/sam/.made")
    path.chmod(0o755)
    return path


def _installed(python: Path) -> Path:
    if not python.exists():
        raise UsageError(f"there is no {python}: make .venvs/lambda/.made")
    return python


def free_ports(count: int) -> list[int]:
    """Ports that nobody listened on a moment ago."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until somebody listens; raises ChildFailed when the process ends first."""
    while True:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            # It listens after a few milliseconds; a longer wait would be measured as start.
            status = process.wait(0.001)
        except subprocess.TimeoutExpired:
            continue
        raise ChildFailed(f"the emulator ended with {status} before it listened on port {port}")


def children(pid: int) -> list[int]:
    """The processes that this one started; the emulator's is the function."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
