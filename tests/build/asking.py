"""Ask converters of models in the process that made them: the frameworks load slowly.

    python make_KIND.py FOLDER

makes FOLDER/NAME/… and writes FOLDER/answers.json, {NAME: {"result": …} or {"error", "message"}}.
"""

import hashlib
import importlib
from pathlib import Path
from typing import Any

from twite.errors import TwiteError
from twite.tensors import Tensors
from twite_build.scratch import save_tensors


def ask(kind: str, folder: Path, samples: Tensors, **source: Any) -> dict[str, Any]:
    """What the converter says of folder / source["file"]; its files are left in folder."""
    save_tensors(folder / "samples.npz", samples)
    names = {"samples": "samples.npz", "model": "fp32.tflite", "outputs": "source.npz"}
    request = {key: str(folder / name) for key, name in names.items()}
    request |= {"source": str(folder / source["file"]), "options": {"kind": kind, **source}}
    if "python" in source:
        request["python"] = request["options"].pop("python")
    convert = importlib.import_module(f"twite_build.converters.{kind}").convert
    try:
        told = {"result": convert(request)}
    except TwiteError as error:
        return {"error": type(error).__name__, "message": str(error).replace(f"{folder}/", "")}
    first = hashlib.sha256((folder / "fp32.tflite").read_bytes()).hexdigest()
    return {**told, "sha256": first}
