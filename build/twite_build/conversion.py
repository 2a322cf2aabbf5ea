"""Conversion: a source to a float32 .tflite in a child process, within limits.

Converters crash, hang and eat memory on legitimate input, and exit 0 on models that answer
nonsense; so a child's word is checked here, and its model by the gate.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from twite.child import run_in_child
from twite.fields import from_table, to_table
from twite.tensors import Tensors, TensorSpec
from twite_build.converters.request import signature_file
from twite_build.errors import ConversionFailed
from twite_build.recipe import Quantization
from twite_build.scratch import load_tensors
from twite_build.sources import KINDS, Origin

CONVERTERS: dict[str, str] = {kind: f"twite_build.converters.{kind}:convert" for kind in KINDS}
TIMEOUT_S = 3600.0


class Limits(NamedTuple):
    """What a conversion may use; memory counts the child's and its children's resident bytes."""

    timeout_s: float = TIMEOUT_S
    memory_bytes: int | None = None


class FurtherSource(NamedTuple):
    """A signature beside the main one, with samples of its own and the source's answers."""

    name: str
    inputs: tuple[TensorSpec, ...]
    samples: Tensors
    outputs: Tensors


class Conversion(NamedTuple):
    """The converted model, the source framework's own answers, and what the converter told.

    quantization is set where the source is quantized already, signature where the model has several
    signatures: the main one's name.
    """

    model: Path
    inputs: tuple[TensorSpec, ...]
    outputs: Tensors
    tools: dict[str, str]
    files: dict[str, str]
    notes: tuple[str, ...]
    quantization: Quantization | None
    signature: str | None = None
    further: tuple[FurtherSource, ...] = ()


def convert(
    origin: Origin, samples: Path, folder: Path, limits: Limits, python: Path | None = None
) -> Conversion:
    """samples are preprocessed evaluation samples; python is that of an environment of its own.

    Raises what the converter raises, and ChildFailed when it crashes or breaks a limit.
    """
    model, outputs = folder / "fp32.tflite", folder / "source.npz"
    request = {
        "source": str(origin.path.absolute()),
        "options": to_table(origin.source),
        "samples": str(samples),
        "model": str(model),
        "outputs": str(outputs),
    }
    if python is not None:
        request["python"] = str(python)
    told = run_in_child(
        CONVERTERS[origin.kind],
        request,
        timeout_s=limits.timeout_s,
        memory_bytes=limits.memory_bytes or most_of_the_memory(),
    )
    name = origin.source.file
    if not model.is_file() or not model.stat().st_size:
        raise ConversionFailed(f"the converter of {name} wrote no model")
    return _conversion(model, load_tensors(outputs), told)


def _conversion(model: Path, outputs: Tensors, told: dict[str, Any]) -> Conversion:
    files, notes = told.get("files", {}), tuple(told.get("notes", ()))
    further = [_further(model, i, each) for i, each in enumerate(told.get("signatures", ()))]
    return Conversion(
        model,
        _specs(told["inputs"]),
        outputs,
        told["tools"],
        files,
        notes,
        told.get("quantization"),
        told.get("signature"),
        tuple(further),
    )


def _further(model: Path, number: int, told: dict[str, Any]) -> FurtherSource:
    samples, answers = (
        load_tensors(signature_file(model, number, kind)) for kind in ("samples", "answers")
    )
    return FurtherSource(told["name"], _specs(told["inputs"]), samples, answers)


def _specs(tables: list[object]) -> tuple[TensorSpec, ...]:
    return tuple(from_table(TensorSpec, table, "input", ConversionFailed) for table in tables)


def most_of_the_memory() -> int:
    """Nine tenths of this machine's memory: beyond, the system would end what it likes."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found = Path(limit).read_text().strip()
        except OSError:
            continue
        if found.isdigit():
            total = min(total, int(found))
    return total * 9 // 10
