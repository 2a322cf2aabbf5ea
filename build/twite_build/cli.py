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
    _add_goals(parser)
    parser.add_argument("--force", action="store_true", help="replace a bundle of another name")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document; progress goes to stderr"
    )
    parser.add_argument(
        "--trust-pickle",
        action="store_true",
        help="load a pickled source (.joblib, .pkl), which runs the code in it",
    )
    parser.add_argument(
        "--timeout", type=_positive, metavar="SECONDS", help="end a step that takes longer"
    )
    parser.add_argument(
        "--memory", type=_positive, metavar="MIB", help="end a conversion that takes more memory"
    )
    parser.set_defaults(run=run)


def _add_goals(parser: argparse.ArgumentParser) -> None:
    """What is preferred among the candidates, where they will run, and what the gate lets by."""
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
        "--engine-python",
        type=Path,
        metavar="PYTHON",
        help="a Python with the target's engine (default: .venvs/tflite-runtime/bin/python)",
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def run(options: argparse.Namespace, settings: Settings) -> int:
    # Imported here: the other commands of `twite` need none of it.
    from twite_build.conversion import TIMEOUT_S, Limits
    from twite_build.overrides import Overrides, with_overrides
    from twite_build.pipeline import Options, build
    from twite_build.progress import Progress
    from twite_build.recipe import read_recipe

    stream = sys.stderr if options.json else sys.stdout
    progress = Progress(stream, terminal=stream.isatty(), color=settings.color)
    path = options.recipe / "recipe.toml" if options.recipe.is_dir() else options.recipe
    overrides = Overrides(
        options.preset, options.objective, options.target, tuple(options.allow), options.timeout
    )
    file = with_overrides(read_recipe(path), overrides)
    target = options.output or Path("dist", file.recipe.name)
    memory_bytes = int(options.memory * 2**20) if options.memory else None
    limits = Limits(options.timeout or TIMEOUT_S, memory_bytes)
    wanted = Options(
        options.force, options.trust_pickle, options.explain, options.engine_python, limits
    )
    built = build(file, target, wanted, progress)
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
