"""A skipped test is named at the end with how to enable it, and fails the session in CI."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twite.bundle import npy, read_manifest, write
from twite.decode import request_format
from twite.engine import Engine
from twite.manifest import (
    BoxPostprocessing,
    EngineVersion,
    FeaturePreprocessing,
    Golden,
    ImagePreprocessing,
    Manifest,
    Postprocessing,
    Preprocessing,
    Provenance,
    RegressionPostprocessing,
    Signature,
    Signatures,
    TensorPostprocessing,
    TensorPreprocessing,
    TextPreprocessing,
)
from twite.preprocess import preprocess
from twite.quantized import quantize

MARK = "cannot run here: "

CI_LACKS = ("CPython 3.",)
"""Beginnings of the reasons, after MARK, for which CI may skip: what its machine may not have."""

_skipped: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background job ignores SIGINT, and so would every process that a test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
def compile_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Called with a C file, the path of the library that it is compiled to."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("cannot run here: there is no C compiler; apt install gcc libc6-dev")

    def build(source: Path) -> Path:
        built = tmp_path_factory.mktemp(source.stem) / f"lib{source.stem}.so"
        options = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC"]
        command = [compiler, *options, "-o", str(built), str(source), "-lm", "-ldl"]
        subprocess.run(command, check=True)
        return built

    return build


@pytest.fixture(scope="session")
def library(compile_library: Callable[[Path], Path]) -> Path:
    """The delegate of accelerators/delegate.c."""
    return compile_library(Path(__file__).parent / "accelerators" / "delegate.c")


@pytest.fixture
def on_a_full_disk(tmp_path: Path) -> tuple[Path, Callable[..., list[str]]]:
    """A folder, and what makes of a command one that finds there a disk with so many KiB free.

    The disk is a memory file system of the command's own mount namespace, so it ends with it; what
    is in the folder `before` beside it is on it from the start.
    """
    folder, before = tmp_path / "disk", tmp_path / "before"
    folder.mkdir()
    before.mkdir()
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("cannot run here: no mount namespace; run the tests as root")
    script = """
        mount -t tmpfs -o size=4m disk "$1" && cp -r "$2/." "$1" && cd "$1" || exit 99
        dd if=/dev/zero of=filler bs=4k 2> /dev/null
        truncate --size -"$3"K filler
        shift 3
        exec "$@"
    """

    def wrap(*command: str, free_kib: int = 0) -> list[str]:
        places = [str(folder), str(before), str(free_kib)]
        return [*own, "bash", "-c", script, "full-disk", *places, *command]

    return folder, wrap


@pytest.fixture(scope="session")
def wire_bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The models of tests/runtime/models, in version 3."""
    folder = tmp_path_factory.mktemp("wire")
    words = TextPreprocessing("text", "tokens", length=4, buckets=100)
    tensors = TensorPreprocessing("tensors")
    grey = ImagePreprocessing("image", "image", height=2, width=2, channels=1)
    colour = ImagePreprocessing("image", "image", height=16, width=16, channels=3)
    boxes = BoxPostprocessing("boxes", boxes="boxes", scores="scores")
    anchors = npy(np.tile(np.float32([0.5, 0.5, 1, 1]), (2, 1)))
    whole = FeaturePreprocessing("features", "values", mean=(10.0,), scale=(2.0,))
    return [
        bundle_of("every", folder, tensors),
        bundle_of("pair", folder, tensors),
        bundle_of("words", folder, words),
        bundle_of("grey", folder, grey),
        bundle_of("whole", folder, whole),
        bundle_of("spots", folder, colour, boxes, **{"anchors.npy": anchors}),
        several_bundle(folder),
    ]


def bundle_of(
    name: str,
    folder: Path,
    how: Preprocessing,
    answer: Postprocessing = TensorPostprocessing("tensors"),  # noqa: B008
    signature: str | None = None,
    **files: bytes,
) -> Path:
    """A bundle of runtime/models/NAME.tflite with one golden sample of ones."""
    model = Path(__file__).parent / "runtime" / "models" / f"{name}.tflite"
    engine = Engine(model, 1, signature)
    manifest = Manifest(
        "twite-bundle",
        1,
        name,
        "3",
        "fp32",
        engine.inputs,
        engine.outputs,
        how,
        answer,
        {},
        Golden(1, {}, {}, {}),
        (EngineVersion(engine.name, engine.version, "any"),),
        Provenance("made by hand", "0" * 64, "0" * 64, {}),
        {},
        signatures=Signatures(signature) if signature else None,
    )
    inputs = {
        spec.name: np.ones((1, *spec.shape[1:]), spec.dtype)
        for spec in request_format(manifest).inputs
    }
    outputs = engine.run(quantize(preprocess(inputs, how), engine.inputs))
    contents = {f"golden/in.{key}.npy": npy(array) for key, array in inputs.items()}
    contents |= {f"golden/out.{key}.npy": npy(array) for key, array in outputs.items()}
    ins = {key: f"golden/in.{key}.npy" for key in inputs}
    outs = {key: f"golden/out.{key}.npy" for key in outputs}
    manifest = manifest._replace(golden=Golden(1, ins, outs, dict.fromkeys(outputs, 0.0)))
    write(folder / name, manifest, {"model.tflite": model.read_bytes(), **contents, **files})
    return folder / name


def several_bundle(folder: Path) -> Path:
    """runtime/models/several.tflite: features to scores, and the signatures 'embed' and 'one'."""
    how = FeaturePreprocessing("features", "x", columns=("a", "b", "c"))
    answer = RegressionPostprocessing("regression", "scores", decimals=3)
    path = bundle_of("several", folder, how, answer, "serving_default")
    manifest = read_manifest(path)
    contents = {name: (path / name).read_bytes() for name in manifest.files}
    # Two golden samples: one alone shows no accelerator to be right.
    rows = np.float32([[1, 1, 1], [1, 0, 2]])
    scores = Engine(path / manifest.model, 1, "serving_default").run({"x": rows})["scores"]
    contents |= {"golden/in.x.npy": npy(rows), "golden/out.scores.npy": npy(scores)}
    manifest = manifest._replace(golden=manifest.golden._replace(count=2))
    further = []
    for name in ("embed", "one"):
        engine = Engine(path / manifest.model, 1, name)
        inputs = {
            spec.name: np.ones(tuple(map(abs, spec.shape)), spec.dtype) for spec in engine.inputs
        }
        files = {}
        for kind, tensors in (("in", inputs), ("out", engine.run(inputs))):
            files[kind] = {key: f"golden/{name}/{kind}.{key}.npy" for key in tensors}
            contents |= {files[kind][key]: npy(array) for key, array in tensors.items()}
        golden = Golden(1, files["in"], files["out"], dict.fromkeys(files["out"], 0.0))
        further.append(Signature(name, engine.inputs, engine.outputs, golden))
    signatures = Signatures("serving_default", tuple(further))
    write(path, manifest._replace(signatures=signatures), contents, replace=True)
    return path
