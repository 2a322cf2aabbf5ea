"""Companions: the chosen model compiled for accelerators, beside the model that every CPU runs.

A compiler is used where it is installed; the bundle is whole without it. What it makes holds one
custom operator that only the accelerator runs, so it can be verified only where the device is:
check_companions does that in the build, and a server does it before the first answer.
"""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, Protocol

from twite.accelerators.candidates import candidates
from twite.accelerators.catalogue import Choice
from twite.accelerators.discovery import HERE, Place
from twite.accelerators.probe import Prober
from twite.bundle import load
from twite.errors import VerificationFailed
from twite.manifest import Companion

TIMEOUT_S = 1800.0
LAMBDA = "lambda"


class Named(Protocol):
    """A target; AWS Lambda has no accelerators."""

    @property
    def name(self) -> str: ...


class Compiler(NamedTuple):
    """A vendor's compiler: arguments with MODEL and FOLDER, and what it calls its output."""

    accelerator: str
    command: str
    arguments: tuple[str, ...]
    output: str
    operator: str


COMPILERS = (
    Compiler(
        "edgetpu",
        "edgetpu_compiler",
        ("--out_dir", "FOLDER", "MODEL"),
        "_edgetpu.tflite",
        "edgetpu-custom-op",
    ),
    # The Ethos-U of the i.MX 93, the one that the catalogue knows.
    Compiler(
        "ethos-u",
        "vela",
        ("--accelerator-config", "ethos-u65-256", "--output-dir", "FOLDER", "MODEL"),
        "_vela.tflite",
        "ethos-u",
    ),
)


class Companions(NamedTuple):
    """What the manifest says of them, and their files by name in the bundle.

    notes say which installed compiler made none, and why.
    """

    entries: tuple[Companion, ...]
    files: dict[str, bytes]
    notes: tuple[str, ...] = ()


def make_companions(model: Path, target: Named, folder: Path) -> Companions:
    """Compile the chosen model for the accelerators whose compiler is installed.

    folder is the build's working folder.
    """
    entries: list[Companion] = []
    files: dict[str, bytes] = {}
    notes: list[str] = []
    for compiler in () if target.name.startswith(LAMBDA) else COMPILERS:
        command = shutil.which(compiler.command)
        if command is None:
            continue
        content, note = compile_model(command, compiler, model, folder)
        if content is None:
            notes.append(f"no model for {compiler.accelerator}: {note}")
            continue
        name = f"model.{compiler.accelerator}.tflite"
        files[name] = content
        version = _version(command)
        told = f"{compiler.command} {version}"
        entries.append(Companion(compiler.accelerator, name, (compiler.operator,), told))
    return Companions(tuple(entries), files, tuple(notes))


def compile_model(
    command: str, compiler: Compiler, model: Path, folder: Path
) -> tuple[bytes | None, str]:
    """The compiled model, or None and why there is none."""
    places = {"MODEL": str(model), "FOLDER": str(folder)}
    arguments = [places.get(word, word) for word in compiler.arguments]
    output = folder / f"{model.stem}{compiler.output}"
    output.unlink(missing_ok=True)
    try:
        result = subprocess.run(
            [command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            cwd=folder,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return None, f"{compiler.command} ran longer than {TIMEOUT_S:g} s"
    except OSError as error:
        return None, f"{command} cannot be run: {error.strerror}"
    if result.returncode or not output.is_file():
        lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
        last = lines[-1] if lines else "it said nothing"
        return None, f"{compiler.command} ended with status {result.returncode}: {last}"
    content = output.read_bytes()
    # A model that the accelerator cannot help comes back as it was.
    if compiler.operator.encode() not in content:
        return None, f"{compiler.command} found no operator for it; it takes full int8 models"
    return content, ""


def check_companions(path: Path, place: Place = HERE) -> tuple[str, ...]:
    """Compare every companion with the bundle's own model on the devices that are here.

    Returns what was found, a line each. Raises VerificationFailed when one answers wrong.
    """
    bundle = load(path)
    told: list[str] = []
    for companion in bundle.manifest.companions:
        found, refused = candidates(bundle, Choice(companion.accelerator, {}), place)
        told += [f"{each.name}: not verified here: {each.reason}" for each in refused]
        for candidate in found:
            verdict = Prober(60.0, 1).probe(bundle, candidate)
            if verdict.kind in ("wrong", "nonfinite"):
                raise VerificationFailed(
                    f"{companion.model} does not answer what {bundle.manifest.model} does: "
                    f"{verdict.reason}"
                )
            told.append(f"{companion.accelerator}: {verdict.kind} {verdict.reason}".rstrip())
    return tuple(told)


def _version(command: str) -> str:
    """The last word of the first line that `--version` prints."""
    try:
        result = subprocess.run(
            [command, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "of unknown version"
    words = result.stdout.split()
    return words[-1] if words else "of unknown version"
