"""Whole builds by the command: what they print and write, and that failures write nothing."""

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.bundle import load
from twite.model import Model
from twite_build import conversion

Place = Callable[..., Path]


@dataclass(frozen=True)
class Run:
    code: int
    stdout: str
    stderr: str
    target: Path


def build(recipe: Path, target: Path, *options: str) -> Run:
    command = [sys.executable, "-m", "twite", "build", str(recipe), "-o", str(target), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Run(done.returncode, done.stdout, done.stderr, target)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


@pytest.fixture(scope="module")
def recipe(trained: Any, recipes: dict[str, str], folder: Path) -> Path:
    for file in (trained.folder / "quadrants").iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "recipe.toml").write_text(recipes["quadrants"])
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def built(recipe: Path, folder: Path) -> Run:
    done = build(recipe, folder / "dist")
    assert done.code == 0, done.stderr
    return done


def files(bundle: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(bundle)): path.read_bytes()
        for path in sorted(bundle.rglob("*"))
        if path.is_file()
    }


def test_prints_one_plain_line_a_stage(built: Run) -> None:
    stages = [line.split()[0] for line in built.stdout.splitlines()]
    assert stages == [
        *("recipe", "samples", "convert", "source", "gate", "verify", "verify", "bundle"),
    ]
    assert "\x1b" not in built.stdout
    assert "\r" not in built.stdout
    assert built.stderr == ""


def test_the_bundle_says_what_was_measured(built: Run) -> None:
    manifest = load(built.target).manifest
    assert manifest.quantization == "int8-static"
    assert [engine.name for engine in manifest.engines] == ["ai-edge-litert"]
    measured = manifest.measurements
    assert measured["metric"] == "accuracy"
    assert measured["samples"] == 240
    assert measured["size_bytes"] == (built.target / "model.tflite").stat().st_size
    assert float(measured["agreement"]) >= 0.99
    assert manifest.provenance.source == "model.keras"
    assert {"keras", "litert-quantizer", "twite"} <= manifest.provenance.tools.keys()


def test_golden_samples_are_decoded_inputs_of_every_class(built: Run, trained: Any) -> None:
    bundle = load(built.target)
    with np.load(trained.folder / "quadrants" / "evaluation.npz") as evaluation:
        pictures, truth = evaluation["image"], evaluation["target"]
    golden = bundle.golden_inputs()["image"]
    assert golden.dtype == np.uint8
    rows = [int(np.flatnonzero((pictures == one).all(axis=(1, 2, 3)))[0]) for one in golden]
    assert set(truth[rows]) == {0, 1, 2, 3}
    assert Model(bundle).replay() > 0


def test_the_served_model_answers_a_request_as_it_was_verified(built: Run) -> None:
    pictures = load(built.target).golden_inputs()["image"]
    body = json.dumps({"features": pictures[:1].tolist()}).encode()
    answer = json.loads(Model(load(built.target)).predict(body, "application/json"))
    assert answer["prediction"][0][0]["class"] in load(built.target).labels
    assert answer["prediction"][0][0]["confidence"] > 0.5


def test_the_report_is_one_page_that_asks_for_nothing(built: Run) -> None:
    page = (built.target / "report.html").read_text()
    assert "<script" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "$" not in page
    report = json.loads((built.target / "report.json").read_text())
    assert [candidate["quantization"] for candidate in report["candidates"]] == [
        *("fp32", "int8-static"),
    ]


def test_builds_the_same_bytes_again_and_tells_machines_and_terminals(
    built: Run, recipe: Path, folder: Path
) -> None:
    target = folder / "again"
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "twite", "build", str(recipe), "-o", str(target), "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=follower, text=True, env=environment
    ) as process:
        os.close(follower)
        shown = "".join(_read_all(leader))
        told = json.loads(process.stdout.read() if process.stdout else "")
    assert process.returncode == 0
    assert files(target) == files(built.target)
    assert told["bundle"] == str(target)
    assert [c["quantization"] for c in told["candidates"] if c["passed"]] == ["fp32", "int8-static"]
    assert all(candidate["latency_ms"] > 0 for candidate in told["candidates"])
    assert "\x1b[2K" in shown
    assert "⠋ model.keras 0 s" in shown
    assert "\x1b[32mverify" in shown


def _read_all(descriptor: int) -> Iterator[str]:
    """Everything that comes to a terminal until its last writer is gone."""
    with open(descriptor, "rb", buffering=0) as terminal:
        content = b""
        while True:
            try:
                piece = terminal.read(4096)
            except OSError:
                break
            if not piece:
                break
            content += piece
    yield content.decode()


def test_a_constant_model_is_refused_and_the_old_bundle_stays(
    built: Run, place: Place, tmp_path: Path
) -> None:
    target = tmp_path / "dist"
    change = ('name = "quadrants"', 'name = "other"')
    before = files(built.target)
    refused = build(place("constant", change), target)
    assert refused.code == 3
    assert "twite: the source model: output 'logits' is the same for all" in refused.stderr
    assert not target.exists()
    again = build(tmp_path / "recipe.toml", built.target, "--force")
    assert again.code == 3
    assert files(built.target) == before


def test_the_wrong_preprocessing_is_refused(place: Place, tmp_path: Path) -> None:
    inverted = ("channels = 1", "channels = 1\nmean = [255.0]\nscale = [-255.0]")
    refused = build(place("quadrants", inverted), tmp_path / "dist")
    assert refused.code == 3
    assert refused.stderr.count("\n") == 1
    assert "check [preprocess]" in refused.stderr
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize(
    ("converter", "message"),
    [
        ("with_a_signal", "crashed with SIGSEGV; its last output was:\n  folding constants"),
        ("with_success_and_no_answer", "ended with status 0 and no answer; its last output was:"),
        ("without_a_model", "the converter of model.keras wrote no model"),
    ],
)
def test_a_converter_that_dies_is_an_error_and_not_the_end(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    converter: str,
    message: str,
) -> None:
    from twite.cli import run

    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setitem(conversion.CONVERTERS, "keras", f"crashing:{converter}")
    recipe = place("quadrants")
    assert run(["build", str(recipe), "-o", str(tmp_path / "dist")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_ctrl_c_ends_the_child_and_leaves_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("TMPDIR", str(work))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    command = [sys.executable, "-m", "twite", "build", str(place("quadrants"))]
    with subprocess.Popen(
        [*command, "-o", str(tmp_path / "dist")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while not process.stdout.readline().startswith("samples"):
            assert process.poll() is None
        while not list(work.glob("*/request.json")):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        stderr = process.stderr.read()
    assert process.returncode == 130
    assert stderr == "twite: interrupted\n"
    assert not (tmp_path / "dist").exists()
    assert list(work.iterdir()) == []
    assert _is_gone(process.pid)


def _is_gone(group: int) -> bool:
    """Whether the processes of a group end; init may take a moment to bury the last one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_file_that_cannot_be_written_is_named(place: Place, tmp_path: Path) -> None:
    # What a full disk does to a write, without filling one.
    limit = 20_000
    command = [sys.executable, "-m", "twite", "build", str(place("quadrants"))]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "dist")],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1
    assert "calibration.npz cannot be written: File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("model.keras", "model.keras is not there; train the model first"),
        ("evaluation.npz", "evaluation.npz cannot be read: No such file"),
    ],
)
def test_names_a_file_that_is_missing(
    place: Place, tmp_path: Path, missing: str, message: str
) -> None:
    recipe = place("quadrants")
    (tmp_path / missing).unlink()
    refused = build(recipe, tmp_path / "dist")
    assert refused.code == 2
    assert message in refused.stderr


def test_a_folder_that_is_no_bundle_is_never_replaced(place: Place, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("mine")
    refused = build(place("quadrants"), tmp_path / "precious", "--force")
    assert refused.code == 2
    assert "is there and is no bundle; name another folder with -o" in refused.stderr
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "mine"


def test_a_bundle_of_another_name_needs_force(built: Run, place: Place) -> None:
    refused = build(place("quadrants", ('name = "quadrants"', 'name = "four"')), built.target)
    assert refused.code == 2
    assert "holds the bundle 'quadrants'; replace it with --force" in refused.stderr


def test_a_recipe_that_is_wrong_costs_no_conversion(place: Place, tmp_path: Path) -> None:
    change = ("[postprocess]", "[verify]\nagrement = 0.9\n[postprocess]")
    refused = build(place("quadrants", change), tmp_path / "dist")
    assert refused.code == 2
    assert "unknown key 'agrement'; did you mean 'agreement'?" in refused.stderr
    assert refused.stdout == ""
