"""A skipped test is named at the end with how to enable it, and fails the session in CI."""

import os
from pathlib import Path

import numpy as np
import pytest

from twite.bundle import npy, write
from twite.engine import Engine
from twite.manifest import (
    EngineVersion,
    Golden,
    Manifest,
    Preprocessing,
    Provenance,
    TensorPostprocessing,
    TensorPreprocessing,
    TextPreprocessing,
)
from twite.preprocess import preprocess

MARK = "cannot run here: "

CI_LACKS = ("CPython 3.",)
"""Beginnings of the reasons, after MARK, for which CI may skip: what its machine may not have."""

_skipped: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        _skipped[report.nodeid] = str(report.longrepr[2]).removeprefix("Skipped: ")


def _wrong(reason: str) -> bool:
    """A reason in CI that names nothing CI lacks; elsewhere one that does not tell what to do."""
    if os.environ.get("CI") == "true":
        return not reason.startswith(tuple(MARK + lacking for lacking in CI_LACKS))
    return not (reason.startswith(MARK) and "; " in reason)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and any(map(_wrong, _skipped.values())):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test, reason in _skipped.items():
        if _wrong(reason):
            wanted = f"'{MARK}WHAT IS MISSING; HOW TO GET IT', and CI skips only for CI_LACKS"
            terminalreporter.line(f"ERROR {test} skipped: {reason}; wanted: {wanted}", red=True)


@pytest.fixture(scope="session")
def bundles() -> Path:
    """The real bundles in the repository: bundles / "digits" and bundles / "iris"."""
    return Path(__file__).parent / "runtime" / "bundles"


@pytest.fixture(scope="session")
def wire_bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Version 3 of `every` dtype, of a `pair` of inputs and outputs, and of `words` from text."""
    folder = tmp_path_factory.mktemp("wire")
    words = TextPreprocessing("text", "tokens", length=4, buckets=100)
    tensors = TensorPreprocessing("tensors")
    return [
        bundle_of("every", folder, tensors),
        bundle_of("pair", folder, tensors),
        bundle_of("words", folder, words),
    ]


def bundle_of(name: str, folder: Path, how: Preprocessing) -> Path:
    """A bundle of runtime/models/NAME.tflite with one golden sample of ones."""
    model = Path(__file__).parent / "runtime" / "models" / f"{name}.tflite"
    engine = Engine(model, 1)
    inputs = {
        spec.name: np.ones((1, *spec.shape[1:]), np.dtype(spec.dtype)) for spec in engine.inputs
    }
    outputs = engine.run(preprocess(inputs, how))
    golden = {f"golden/in.{key}.npy": npy(array) for key, array in inputs.items()}
    golden |= {f"golden/out.{key}.npy": npy(array) for key, array in outputs.items()}
    manifest = Manifest(
        "twite-bundle",
        1,
        name,
        "3",
        "fp32",
        engine.inputs,
        engine.outputs,
        how,
        TensorPostprocessing("tensors"),
        {},
        Golden(
            1,
            {key: f"golden/in.{key}.npy" for key in inputs},
            {key: f"golden/out.{key}.npy" for key in outputs},
            dict.fromkeys(outputs, 0.0),
        ),
        (EngineVersion(engine.name, engine.version, "any"),),
        Provenance("made by hand", "0" * 64, "0" * 64, {}),
        {},
    )
    write(folder / name, manifest, {"model.tflite": model.read_bytes(), **golden})
    return folder / name
