"""The function as a zip for Lambda's own Python: whole, small, the same twice, and it answers."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulated import ROOT, Function

import rie

TOOL = ROOT / "tools" / "lambda_zip.py"
ROW = {"features": [5.1, 3.5, 0.2]}

OUTSIDE = """
import sys
import entry
from types import SimpleNamespace
context = SimpleNamespace(aws_request_id="1")
call = {"httpMethod": "POST", "path": "/predict", "body": '{"features": [5.1, 3.5, 0.2]}',
        "headers": {"content-type": "application/json"}, "requestContext": {"elb": {}}}
assert entry.handler({"features": [5.1, 3.5, 0.2]}, context) == {"prediction": 1.4}
assert entry.handler(call, context)["statusCode"] == 200, entry.handler(call, context)
import twite.images, twite.multipart
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None) or ""
    if "site-packages" in file and name != "_distutils_hack":
        print(name, file)
"""


@pytest.fixture(scope="module")
def packed(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """For the Python of the function's environment, which may not be one that Lambda has."""
    output = make(bundles / "iris", tmp_path_factory.mktemp("zip") / "iris.zip")
    yield output
    output.unlink()


def make(bundle: Path, output: Path) -> Path:
    asked = [rie.PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    command = [sys.executable, TOOL, bundle, "--python", version, "-o", output]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return output


@pytest.fixture(scope="module")
def task(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    yield folder
    shutil.rmtree(folder)


def test_the_zip_is_far_below_what_lambda_takes(packed: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    assert size < 130_000_000
    assert packed.stat().st_size < 50_000_000


def test_the_zip_answers_in_the_emulator(task: Path, start: Callable[..., Function]) -> None:
    settings = {"PYTHONPATH": str(task)}
    function = start(settings, handler="entry.handler", folder=task)
    assert function.invoke(ROW) == {"prediction": 1.4}


def test_the_zip_needs_no_other_package(task: Path) -> None:
    command = [str(rie.PYTHON), "-c", OUTSIDE]
    environment = rie.environment({}, task)
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    outside = [line for line in result.stdout.splitlines() if not line.startswith("{")]
    assert outside == []


def test_the_same_bundle_gives_the_same_bytes(packed: Path, bundles: Path, tmp_path: Path) -> None:
    again = make(bundles / "iris", tmp_path / "again.zip")
    with zipfile.ZipFile(packed) as one, zipfile.ZipFile(again) as two:
        sums = [{each.filename: each.CRC for each in archive.infolist()} for archive in (one, two)]
    differ = {name for name, _ in sums[0].items() ^ sums[1].items()}
    assert differ == set()
    assert packed.read_bytes() == again.read_bytes()
    again.unlink()


def test_a_python_that_litert_does_not_run_on_is_refused(bundles: Path) -> None:
    command = [sys.executable, TOOL, bundles / "iris", "--python", "3.9"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "3.12 and 3.13" in result.stderr
