"""The dialects over real sockets, spoken by clients that nobody here wrote (locks/clients.in)."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = Path(__file__).parent / "clients"
PYTHON = ROOT / ".venvs/clients/bin/python"
SEVEN = ROOT / "examples/digits/seven.png"
DEADLINE_S = 300

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="cannot run here: .venvs/clients is not there; make .venvs/clients/.made",
)


@pytest.fixture(scope="module")
def url(
    bundles: Path, wire_bundles: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server of five models, in a process of its own."""
    log = tmp_path_factory.mktemp("clients") / "log"
    paths = [bundles / "iris", bundles / "digits", *wire_bundles]
    command = [sys.executable, "-m", "twite", "serve", *map(str, paths), "--port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, stdin=subprocess.DEVNULL)
    try:
        yield wait_for_url(process, log)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


def wait_for_url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := re.search(r"on (http://[^ ,]+)", log.read_text()):
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"the server never became ready: {log.read_text()}")


def run(script: str, *arguments: str) -> None:
    finish([str(PYTHON), str(CLIENTS / script), *arguments], CLIENTS)


def finish(command: list[str], folder: Path) -> None:
    """Run a client to its end, past any proxy that the machine may have."""
    environment = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    result = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env=environment,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_tritonclient_speaks_to_it(url: str) -> None:
    run("triton.py", url.removeprefix("http://"), str(SEVEN))


def test_requests_speaks_tensorflow_serving_to_it(url: str) -> None:
    run("tensorflow_serving.py", url, str(SEVEN))


def test_schemathesis_finds_the_openapi_document_true(url: str, tmp_path: Path) -> None:
    # Not every request that the schema allows has an answer: shape and data must go together. Two
    # models are enough, one of features and one of text; thousands of numbers take long to make up.
    command = [
        str(PYTHON.with_name("st")),
        "run",
        f"{url}/openapi.json",
        "--phases=coverage,fuzzing",
        "--max-examples=5",
        "--generation-deterministic",
        "--exclude-checks=positive_data_acceptance",
        "--exclude-path-regex=/(digits|every|pair|grey|whole|spots)",
        "--suppress-health-check=all",
        "--request-timeout=60",
        "--wait-for-schema=60",
        "--no-color",
    ]
    finish(command, tmp_path)
