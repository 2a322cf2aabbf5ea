"""A disk that is full: the server answers, and nothing half-written stays."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

ROW = {"features": [[5.1, 3.5, 0.2]]}
PATIENCE_S = 60.0
TWITE = (sys.executable, "-m", "twite")
EXCHANGE = """
import sys
from pathlib import Path
from twite.bundle import load, write
target, other = Path("iris"), load(Path(sys.argv[1]))
files = {name: (other.path / name).read_bytes() for name in other.manifest.files}
try:
    write(target, other.manifest, files, replace=True)
except OSError as error:
    print(error.strerror)
print(load(target).manifest.name, sorted(path.name for path in Path().iterdir()))
"""

FullDisk = tuple[Path, Callable[..., list[str]]]


class Server(NamedTuple):
    process: "subprocess.Popen[bytes]"
    log_file: Path
    disk: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def own_disk(self) -> Path:
        """The disk as the server sees it."""
        return Path(f"/proc/{self.process.pid}/root{self.disk}")

    def until(self, said: str) -> "re.Match[str]":
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(said, self.log)):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return found

    def until_ready(self, url: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if httpx.get(f"{url}/readyz", timeout=PATIENCE_S).status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def predict(self, url: str) -> int:
        return httpx.post(f"{url}/predict", json=ROW, timeout=PATIENCE_S).status_code


@contextmanager
def serving(
    full: FullDisk,
    bundle: Path,
    log_file: Path,
    *options: str,
    wrap: tuple[str, ...] = (),
    **variables: str,
) -> Iterator[Server]:
    disk, on_it = full
    places = dict.fromkeys(("HOME", "TMPDIR", "TWITE_CACHE_DIR"), str(disk))
    command = on_it(*wrap, *TWITE, "serve", str(bundle), *options)
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, stderr=log, env={**os.environ, "PORT": "0", **places, **variables}
        )
    try:
        yield Server(process, log_file, disk)
    finally:
        process.kill()
        process.wait()


def test_a_server_that_cannot_keep_a_verdict_says_so_and_serves(
    on_a_full_disk: FullDisk, bundles: Path, library: Path, tmp_path: Path
) -> None:
    options = ("--accelerator", f"external:library={library}")
    with serving(on_a_full_disk, bundles / "iris", tmp_path / "log", *options) as server:
        url = server.until(r"on (http://[^ ,]+)")[1]
        server.until("on the accelerator external")
        assert {server.predict(url) for _ in range(10)} == {200}
        assert httpx.get(f"{url}/metrics", timeout=PATIENCE_S).status_code == 200
        told = [line for line in server.log.splitlines() if "No space left" in line]
        assert len(told) == 1, server.log
        assert "cannot be written (No space left on device): the next start probes" in told[0]
        # The folder of the verdicts may have fitted; a part of a verdict is nowhere.
        assert [path for path in server.own_disk.rglob("*") if path.is_file()] == [
            server.own_disk / "filler"
        ]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in server.log


def test_a_log_that_is_full_stops_nobody(
    on_a_full_disk: FullDisk, bundles: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    # The server's own log is on the disk; the test's stays empty.
    redirect = ("bash", "-c", 'exec 2> log; exec "$@"', "with-its-log")
    settings = {"PORT": url.rpartition(":")[2], "TWITE_ACCESS_LOG": "1"}
    bundle = bundles / "iris"
    with serving(on_a_full_disk, bundle, tmp_path / "log", wrap=redirect, **settings) as server:
        server.until_ready(url)
        assert {server.predict(url) for _ in range(50)} == {200}
        assert (server.own_disk / "log").stat().st_size == 0
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0


def test_a_bundle_that_does_not_fit_leaves_the_old_one(
    on_a_full_disk: FullDisk, bundles: Path, tmp_path: Path
) -> None:
    _, wrap = on_a_full_disk
    shutil.copytree(bundles / "iris", tmp_path / "before" / "iris")
    command = wrap(sys.executable, "-c", EXCHANGE, str(bundles / "digits"), free_kib=24)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "No space left on device\niris ['filler', 'iris']\n", done.stderr


@pytest.mark.parametrize("command", ["inspect", "check", "doctor"])
def test_commands_need_no_room(command: str, on_a_full_disk: FullDisk, bundles: Path) -> None:
    disk, wrap = on_a_full_disk
    places = dict.fromkeys(("HOME", "TMPDIR"), str(disk))
    done = subprocess.run(
        wrap(*TWITE, command, str(bundles / "iris")),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **places},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
