"""What several commands take, and how they print."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Commands = Any  # argparse keeps the type of its subparsers to itself


def add_command(
    commands: Commands, name: str, run: Callable[..., int], summary: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    return parser


def add_signature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--signature", metavar="NAME", help="of a model that has several")


def add_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, help="the folder that `twite build` wrote")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
