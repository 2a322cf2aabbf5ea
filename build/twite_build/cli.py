"""The command `twite build`; the only module here that prints."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twite.settings import Settings


def register(commands: Any) -> None:
    """Add `build` to the commands of `twite` (entry-point group `twite.commands`)."""
    summary = "Build a verified bundle from a recipe."
    parser = commands.add_parser("build", help=summary, description=summary)
    parser.add_argument("recipe", type=Path, help="a recipe.toml, or the folder that holds one")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="the bundle (default: dist/NAME)"
    )
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
        "--timeout", type=_positive, metavar="SECONDS", help="end a conversion that takes longer"
    )
    parser.add_argument(
        "--memory", type=_positive, metavar="MIB", help="end a conversion that takes more memory"
    )
    parser.set_defaults(run=run)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def run(options: argparse.Namespace, settings: Settings) -> int:
    # Imported here: the other commands of `twite` need none of it.
    from twite_build.conversion import TIMEOUT_S, Limits
    from twite_build.pipeline import Options, build
    from twite_build.progress import Progress
    from twite_build.recipe import read_recipe

    stream = sys.stderr if options.json else sys.stdout
    progress = Progress(stream, terminal=stream.isatty(), color=settings.color)
    path = options.recipe / "recipe.toml" if options.recipe.is_dir() else options.recipe
    file = read_recipe(path)
    target = options.output or Path("dist", file.recipe.name)
    memory_bytes = int(options.memory * 2**20) if options.memory else None
    limits = Limits(options.timeout or TIMEOUT_S, memory_bytes)
    wanted = Options(options.force, options.trust_pickle, limits)
    built = build(file, target, wanted, progress)
    if options.json:
        result = {
            "bundle": str(built.path),
            "quantization": built.winner.quantization,
            "candidates": [
                {**verdict._asdict(), "passed": verdict.passed} for verdict in built.verdicts
            ],
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))
    return 0
