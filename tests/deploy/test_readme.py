"""The README's console sessions do what it shows.

Every ```console block runs, in the README's order, in a copy of the tree whose .venv and dist/ are
this one's, so `make run` finds everything made. A line `$ command` is run by bash in the copy's
root and the lines after it are what it must print, on either stream; `…` stands for any text, over
line ends too. A command that shows no output must succeed. `make run`, `twite serve` and whatever
ends in ` &` are left running: the next command waits until /readyz answers 200, and the next
server, or the end, stops them with SIGINT like a person at the keyboard. Port 8080 is replaced by
a free one throughout.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVERS = ("make run", "twite serve")
NOT_COPIED = shutil.ignore_patterns(".git", ".docker", ".venv", ".venvs", ".*_cache", "__pycache__")
STEP_TIMEOUT_S = 300.0


def steps(text: str) -> list[tuple[str, str]]:
    """Every command of the console blocks and the output shown below it."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = [
        re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
        for block in blocks
    ]
    return [(command, output) for block in found for command, output in block]


def matches(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


class Session:
    """One person at two terminals: commands in one, at most one server in the other."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.server: subprocess.Popen[str] | None = None
        self.log = folder / ".server.log"
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        path = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        # CURL_HOME: curl draws its progress meter where its output is not a terminal.
        changed = {"PATH": path, "PORT": str(port), "CURL_HOME": str(folder), "NO_COLOR": "1"}
        self.environment = os.environ | changed

    def run(self, command: str, shown: str) -> None:
        command, shown = (text.replace("8080", str(self.port)) for text in (command, shown))
        if command.startswith(SERVERS) or command.endswith(" &"):
            self.start(command.removesuffix(" &"))
            self.wait_until_ready()
            printed = self.log_when(shown)
        else:
            printed = self.finish(command, must_succeed=not shown.strip())
        assert not shown.strip() or matches(shown, printed), f"$ {command}\n{printed}"

    def finish(self, command: str, *, must_succeed: bool) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=STEP_TIMEOUT_S,
        )
        assert done.returncode == 0 or not must_succeed, f"$ {command}\n{done.stdout}"
        return done.stdout

    def start(self, command: str) -> None:
        self.stop()
        with self.log.open("w") as log:
            self.server = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self.environment,
                text=True,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        assert self.server is not None
        deadline = time.monotonic() + STEP_TIMEOUT_S
        while not self.is_ready():
            assert self.server.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/readyz", timeout=5
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def log_when(self, shown: str) -> str:
        """What the server printed, read once it matches: a line may follow readiness."""
        deadline = time.monotonic() + 5
        while not matches(shown, self.log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.log.read_text()

    def stop(self) -> None:
        if self.server is None:
            return
        server, self.server = self.server, None
        # The whole group, as a terminal does: make and what it started.
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            raise


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    folder = tmp_path / "twite"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    (folder / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    session = Session(folder, port)
    yield session
    session.stop()


def test_every_console_session_is_true(session: Session) -> None:
    shown = steps((ROOT / "README.md").read_text())
    assert any("predict" in command for command, _ in shown)
    for command, output in shown:
        session.run(command, output)


def test_reads_commands_and_their_output() -> None:
    text = "```console\n$ one \\\n  more\nfirst\n\nlast\n$ two\n```\n```sh\n$ no\n```\n"
    assert steps(text) == [("one \\\n  more", "first\n\nlast\n"), ("two", "")]


def test_an_ellipsis_stands_for_any_text() -> None:
    assert matches("a … d\n", "a b\nc d")
    assert not matches("a … d\n", "a b\nc e")
