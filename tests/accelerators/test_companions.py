"""Models compiled for accelerators, by Arm's own compiler and by one that stands for Coral's."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from twite.accelerators.discovery import Place
from twite.bundle import Bundle, load, read_manifest, write
from twite.doctor import TINY
from twite.engine import Interpreter
from twite.errors import BundleError, VerificationFailed
from twite.manifest import Companion
from twite_build.companions import check_companions, make_companions

ROOT = Path(__file__).parents[2]
VELA = ROOT / ".venvs" / "vela" / "bin" / "vela"
INT8 = Path(__file__).with_name("int8.tflite")
COMPANION = Companion("edgetpu", "model.edgetpu.tflite", ("edgetpu-custom-op",), "test 1")


class Target(NamedTuple):
    name: str


ANY = Target("any")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and a folder of commands that comes first."""
    (tmp_path / "commands").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'commands'}:{os.environ['PATH']}")
    return tmp_path / "work"


def command(folder: Path, script: str) -> None:
    file = folder.parent / "commands" / "edgetpu_compiler"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def write_companion(bundle: Bundle, target: Path, content: bytes) -> Path:
    """The bundle with a companion beside its model."""
    names = [*bundle.manifest.files]
    files = {name: (bundle.path / name).read_bytes() for name in names}
    manifest = bundle.manifest._replace(companions=(COMPANION,))
    write(target, manifest, files | {COMPANION.model: content})
    return target


def test_arms_compiler_makes_a_companion(folder: Path) -> None:
    if not VELA.exists():
        pytest.skip("cannot run here: vela is not in .venvs/vela; `make accelerators`")
    (folder.parent / "commands" / "vela").symlink_to(VELA)
    made = make_companions(INT8, ANY, folder)
    (entry,) = made.entries
    assert (entry.accelerator, entry.operators) == ("ethos-u", ("ethos-u",))
    assert entry.compiler.startswith("vela ")
    compiled = folder / "compiled.tflite"
    compiled.write_bytes(made.files[entry.model])
    operators = [op["op_name"] for op in Interpreter(str(compiled))._get_ops_details()]
    assert "ethos-u" in operators


def test_a_float_model_has_no_companion(folder: Path) -> None:
    if not VELA.exists():
        pytest.skip("cannot run here: vela is not in .venvs/vela; `make accelerators`")
    (folder.parent / "commands" / "vela").symlink_to(VELA)
    made = make_companions(TINY, ANY, folder)
    assert made.entries == ()
    assert "no model for ethos-u" in made.notes[0]


def test_corals_compiler_is_used_where_it_is_installed(folder: Path) -> None:
    command(
        folder,
        '[ "$1" = --version ] && { echo "Edge TPU Compiler version 16.0.1"; exit; }\n'
        'printf "model with edgetpu-custom-op" > "$2/$(basename "$3" .tflite)_edgetpu.tflite"',
    )
    made = make_companions(INT8, ANY, folder)
    assert made.entries == (
        Companion(
            "edgetpu",
            "model.edgetpu.tflite",
            ("edgetpu-custom-op",),
            "edgetpu_compiler 16.0.1",
        ),
    )
    assert made.files == {"model.edgetpu.tflite": b"model with edgetpu-custom-op"}
    assert make_companions(INT8, Target("lambda-arm64"), folder).entries == ()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo Internal compiler error; exit 1", "status 1: Internal compiler error"),
        ('cp "$3" "$2/$(basename "$3" .tflite)_edgetpu.tflite"', "it takes full int8 models"),
        ("true", "ended with status 0: it said nothing"),
    ],
)
def test_a_compiler_that_refuses_is_a_note(script: str, told: str, folder: Path) -> None:
    command(folder, script)
    made = make_companions(INT8, ANY, folder)
    assert made.entries == ()
    assert told in made.notes[0]


def test_without_a_compiler_there_is_none(folder: Path) -> None:
    if shutil.which("edgetpu_compiler") is None and shutil.which("vela") is None:
        assert make_companions(INT8, ANY, folder) == ((), {}, ())


def test_a_companion_is_compared_with_its_model_where_the_device_is(
    tiny: Bundle, library: Path, folder: Path, no_leaks: None
) -> None:
    machine = folder / "machine"
    (machine / "dev").mkdir(parents=True)
    (machine / "usr/lib").mkdir(parents=True)
    # The delegate of these tests has the place of Coral's; the companion is what it runs.
    shutil.copy(library, machine / "usr/lib/libedgetpu.so.1")
    path = write_companion(tiny, folder / "bundle", TINY.read_bytes())
    assert "no device" in check_companions(path, Place(machine))[0]
    (machine / "dev/apex_0").touch()
    assert check_companions(path, Place(machine)) == ("edgetpu: accepted",)


def test_a_companion_that_answers_otherwise_is_refused(
    tiny: Bundle, library: Path, folder: Path, no_leaks: None
) -> None:
    machine = folder / "machine"
    (machine / "dev").mkdir(parents=True)
    (machine / "usr/lib").mkdir(parents=True)
    (machine / "dev/apex_0").touch()
    shutil.copy(library, machine / "usr/lib/libedgetpu.so.1")
    engine = Interpreter(str(TINY))
    shapes = {tuple(each["shape"]): each["index"] for each in engine.get_tensor_details()}
    weights = engine.get_tensor(shapes[(32, 16)])
    content = TINY.read_bytes().replace(weights.tobytes(), (-weights).tobytes())
    assert content != TINY.read_bytes()
    path = write_companion(tiny, folder / "bundle", content)
    with pytest.raises(VerificationFailed, match="model.edgetpu.tflite does not answer"):
        check_companions(path, Place(machine))


def test_a_bundle_lists_its_companions_files(tiny: Bundle, tmp_path: Path) -> None:
    path = write_companion(tiny, tmp_path / "bundle", b"compiled")
    assert load(path).manifest.companions == (COMPANION,)
    manifest = tiny.manifest._replace(companions=(COMPANION,))
    files = {name: (tiny.path / name).read_bytes() for name in tiny.manifest.files}
    with pytest.raises(BundleError, match="names 'model.edgetpu.tflite'"):
        write(tmp_path / "other", manifest, files)
    assert read_manifest(path).companions == (COMPANION,)
