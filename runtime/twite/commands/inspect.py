"""`twite inspect`: what is inside a bundle or a .tflite file."""

import argparse
from typing import Any

from twite.commands.arguments import Commands, add_bundle, add_command, add_json, print_json
from twite.settings import Settings


def register(commands: Commands) -> None:
    parser = add_command(commands, "inspect", run, "Show a bundle or a .tflite file.")
    add_bundle(parser)
    add_json(parser)


def run(options: argparse.Namespace, settings: Settings) -> int:
    from twite.inspection import inspect

    found = inspect(options.bundle)
    if options.json:
        print_json(found)
        return 0
    for line in _inspection_lines(found):
        print(line)
    return 0


def _inspection_lines(found: dict[str, Any]) -> list[str]:
    model, manifest = found["model"], found["manifest"]
    rows: list[tuple[str, str]] = []
    if manifest:
        rows += [
            ("name", f"{manifest['name']} {manifest['version']}"),
            ("description", manifest["description"]),
            ("quantization", manifest["quantization"]),
            ("preprocessing", manifest["preprocessing"]["kind"]),
            ("postprocessing", manifest["postprocessing"]["kind"]),
            *[(f"  {key}", str(value)) for key, value in manifest["measurements"].items()],
        ]
    rows.append(("model", f"{model['size_bytes']:,} bytes"))
    if manifest or "signatures" not in model:
        rows += [("input", _tensor(spec)) for spec in model["inputs"]]
        rows += [("output", _tensor(spec)) for spec in model["outputs"]]
    rows += _signatures(manifest, model)
    rows.append(("operators", ", ".join(f"{n} × {op}" for op, n in model["operators"].items())))
    rows.append(("engine", f"{model['engine']} {model['engine_version']}"))
    rows.append(("XNNPACK", "applied" if model["xnnpack"] else "not applied: expect it to be slow"))
    width = max(len(key) for key, _ in rows) + 2
    return [f"{key:{width}}{value}" for key, value in rows if value]


def _signatures(manifest: dict[str, Any] | None, model: dict[str, Any]) -> list[tuple[str, str]]:
    """What the bundle serves beside the main one, or all that a file of several has."""
    known = model.get("signatures", [])
    if manifest:
        known = (manifest.get("signatures") or {}).get("further", [])
    rows: list[tuple[str, str]] = []
    for each in known:
        rows.append(("signature", each["name"]))
        rows += [("  input", _tensor(spec)) for spec in each["inputs"]]
        rows += [("  output", _tensor(spec)) for spec in each["outputs"]]
    return rows


def _tensor(spec: dict[str, Any]) -> str:
    shape = ", ".join("N" if size == -1 else str(size) for size in spec["shape"])
    return f"{spec['name']} ({shape}) {spec['dtype']}"
