"""The command `twite build`; the only module here that prints."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twite.fields import to_table
from twite.settings import Settings


def register(commands: Any) -> None:
    """Add `build` to the commands of `twite` (entry-point group `twite.commands`)."""
    summary = "Build a verified bundle from a recipe."
    parser = commands.add_parser("build", help=summary, description=summary)
    parser.add_argument("recipe", type=Path, help="a recipe.toml, or the folder that holds one")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="the bundle (default: dist/NAME)"
    )
    parser.add_argument("--preset", metavar="NAME", help="fast, small, exact or edgetpu")
    parser.add_argument("--objective", metavar="WHAT", help="latency or size")
    parser.add_argument(
        "--target", metavar="WHERE", help="where the bundle will run (docs/build.md lists them)"
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="loosen one limit of the gate; it is written into the bundle",
    )
    parser.add_argument(
        "--explain", action="store_true", help="show every candidate and why it was refused or kept"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="S", help="seconds for each child process (default 3600)"
    )
    parser.add_argument(
        "--engine-python",
        type=Path,
        metavar="PYTHON",
        help="a Python with the target's engine (default: .venvs/tflite-runtime/bin/python)",
    )
    parser.add_argument("--force", action="store_true", help="replace a bundle of another name")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document; progress goes to stderr"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    # Imported here: the other commands of `twite` need none of it.
    from twite_build.options import Options, with_options
    from twite_build.pipeline import build
    from twite_build.progress import Progress
    from twite_build.recipe import read_recipe

    stream = sys.stderr if options.json else sys.stdout
    progress = Progress(stream, terminal=stream.isatty(), color=settings.color)
    path = options.recipe / "recipe.toml" if options.recipe.is_dir() else options.recipe
    said = Options(
        options.preset, options.objective, options.target, tuple(options.allow), options.timeout
    )
    file = with_options(read_recipe(path), said)
    target = options.output or Path("dist", file.recipe.name)
    built = build(
        file,
        target,
        force=options.force,
        progress=progress,
        explains=options.explain,
        engine_python=options.engine_python,
    )
    if options.json:
        result = {
            "bundle": str(built.path),
            "quantization": built.winner.quantization,
            "candidates": [
                {**to_table(verdict), "passed": verdict.passed} for verdict in built.verdicts
            ],
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))
    return 0
