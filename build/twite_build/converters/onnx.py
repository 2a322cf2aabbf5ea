"""ONNX models to float32 .tflite: onnx2tf and onnxruntime, in the environment made for them.

onnx2tf turns channels-first pictures into channels-last ones, which `input_layout = "nhwc"` takes
as it is; "native" keeps every input's shape. converters/onnx_inside.py runs over there.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twite.errors import TwiteError, UnsupportedTarget
from twite.fields import from_table
from twite.tensors import TensorSpec
from twite_build import settings
from twite_build.converters.request import Converted, Request, check_samples, read, write
from twite_build.errors import ConversionFailed, SourceError
from twite_build.scratch import load_tensors, save_tensors

INSIDE = Path(__file__).with_name("onnx_inside.py")
ERRORS: dict[str, type[TwiteError]] = {
    "source": SourceError,
    "conversion": ConversionFailed,
    "unsupported": UnsupportedTarget,
}


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and the source's answers; converters/request.py says what is answered.

    request["python"] is the Python of the converter's environment.
    """
    asked = read(request)
    with TemporaryDirectory(prefix="twite-") as folder:
        described = _inside(asked, Path(folder), "describe")
        inputs = _specs(described)
        check_samples(asked.samples, inputs)
        save_tensors(Path(folder, "samples.npz"), asked.samples)
        told = _inside(asked, Path(folder), "convert")
        content = Path(folder, "model.tflite").read_bytes()
        answers = load_tensors(Path(folder, "answers.npz"))
    if told["batch"] == 1:
        inputs = [spec._replace(shape=(1, *spec.shape[1:])) for spec in inputs]
    done = write(asked, Converted(content, inputs, answers, (), notes=_notes(asked)))
    return {**done, "tools": {**done["tools"], **told["tools"]}}


def _specs(described: dict[str, Any]) -> list[TensorSpec]:
    return [from_table(TensorSpec, table, "input", SourceError) for table in described["inputs"]]


def _notes(asked: Request) -> tuple[str, ...]:
    return (f"input layout {asked.source.input_layout or 'native'}",)


def _inside(asked: Request, folder: Path, step: str) -> dict[str, Any]:
    """Run one step over there; its answer comes as a file, its output is this process's own."""
    answer = folder / f"{step}.json"
    table = {
        "step": step,
        "onnx": str(asked.path),
        "layout": asked.source.input_layout or "native",
        "folder": str(folder),
        "answer": str(answer),
    }
    command = [str(asked.raw["python"]), "-I", str(INSIDE), json.dumps(table)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=settings.converter_environment(),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    told: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() else {}
    if "error" in told:
        raise ERRORS[told["error"]](told["message"])
    if done.returncode != 0 or not told:
        raise ConversionFailed(f"onnx2tf ended with status {done.returncode} on {asked.path}")
    return told
