"""Starting the server: what is loaded, when it is ready, how it fails."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from twite.errors import NotFound, NotReady
from twite.repository import Repository

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
    with pytest.raises(NotReady, match="loading"):
        Repository().find(None)


def test_a_model_is_found_by_name_and_version(bundles: Path) -> None:
    repository = Repository()
    repository.load([bundles / "iris", bundles / "digits"])
    assert repository.find("iris", "1").name == "iris"
    with pytest.raises(NotFound, match="digits, iris; name one"):
        repository.find(None)
    with pytest.raises(NotFound, match="no model 'irsi'; did you mean 'iris'"):
        repository.find("irsi")
    with pytest.raises(NotFound, match="version 1, not '2'"):
        repository.find("iris", "2")
    repository.close()


def test_what_a_server_imports_is_pinned(bundles: Path) -> None:
    """A module that creeps in costs every cold start: extend the list only with a reason."""
    code = """
import asyncio, json, sys
import twite.cli
from pathlib import Path
from twite.server.exchange import Request
from twite.server.run import make_app, Repository
repository = Repository()
repository.load([Path(sys.argv[1])])
body = b'{"features": [[5.1, 3.5, 0.2]]}'
request = Request("POST", "/predict", {"content-type": "application/json"}, body)
assert asyncio.run(make_app(repository)(request)).status == 200
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    command = [sys.executable, "-c", code, str(bundles / "iris")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = set(json.loads(output))
    assert not found & HEAVY
    foreign = {name for name in found - sys.stdlib_module_names if not name.startswith("_")}
    assert foreign == {"ai_edge_litert", "cython_runtime", "httptools", "numpy", "twite"}
