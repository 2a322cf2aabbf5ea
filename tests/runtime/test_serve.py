"""Starting the server: what is loaded, when it is ready, how it fails."""

import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from twite import Model, load
from twite.errors import NotReady
from twite.scheduler import Scheduler

HEAVY = {"PIL", "tensorflow", "keras", "pydantic", "twite_build", "click", "anyio"}


def serve(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "twite", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_tampered_bundle_is_not_served(bundles: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(bundles / "iris", tmp_path / "iris"))
    (path / "model.tflite").write_bytes(b"x" * (path / "model.tflite").stat().st_size)
    result = serve(str(path), "--port", "0")
    assert result.returncode == 3
    assert "twite: " in result.stderr
    assert "the manifest says" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_in_use_is_named(bundles: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = serve(str(bundles / "iris"), "--port", str(port))
    assert result.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "--port" in result.stderr


def test_serve_without_a_bundle_says_how() -> None:
    result = serve()
    assert result.returncode == 2
    assert "name its folder" in result.stderr


def test_nothing_is_answered_before_the_golden_samples() -> None:
    coroutine = Scheduler().predict(b"{}", "application/json")
    with pytest.raises(NotReady, match="loading"):
        coroutine.send(None)


def test_the_model_has_one_owner_at_a_time(bundles: Path) -> None:
    scheduler = Scheduler()
    scheduler.start(Model(load(bundles / "iris")))
    assert scheduler.state == "ready"
    assert threading.active_count() == 1
    scheduler.close()


def test_what_a_server_imports_is_pinned(bundles: Path) -> None:
    """A module that creeps in costs every cold start: extend the list only with a reason."""
    code = """
import asyncio, json, sys
import twite.cli
from pathlib import Path
from twite.server.run import make_app, Model, Scheduler, load
scheduler = Scheduler()
scheduler.start(Model(load(Path(sys.argv[1]))))
make_app(scheduler, 1000)
body = b'{"features": [[5.1, 3.5, 0.2]]}'
asyncio.run(scheduler.predict(body, "application/json"))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    command = [sys.executable, "-c", code, str(bundles / "iris")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = set(json.loads(output))
    assert not found & HEAVY
    foreign = {name for name in found - sys.stdlib_module_names if not name.startswith("_")}
    assert foreign == {"ai_edge_litert", "numpy", "starlette", "twite", "uvicorn"}
