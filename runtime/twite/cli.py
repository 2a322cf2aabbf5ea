"""The command `twite`: its parser, and the one place where an error becomes an exit status."""

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import twite
from twite.errors import TwiteError, UsageError
from twite.settings import Settings, read_settings

COMMANDS = ("serve", "predict", "inspect", "check", "bench", "doctor", "health")
"""Each is a module of twite.commands with a function `register(commands)`."""

PROVIDED_ELSEWHERE = {"build": "twite-build[tensorflow]", "report": "twite-build"}
"""Commands of other distributions, and what to install for them."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its status (docs/build.md lists them)."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command; the exit status."""
    try:
        settings = read_settings()
        options = _parser(arguments).parse_args(arguments)
        status: int = options.run(options, settings)
        sys.stdout.flush()
        return status
    except TwiteError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output went away; nothing more can be said to it.
        sys.stdout = None
        return 128 + signal.SIGPIPE
    except OSError as error:
        return _fail(f"{error.filename or 'the system'}: {error.strerror or error}", 1)


def _fail(message: str, status: int) -> int:
    print(f"twite: {message}", file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see '{self.prog} --help'")


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="twite", description="Build, check and serve verified TFLite bundles.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    # Only the module of the command that is run: the others would cost every start.
    if arguments and arguments[0] in COMMANDS:
        _register(arguments[0], commands)
        return parser
    for name in COMMANDS:
        _register(name, commands)
    _add_provided(commands)
    return parser


def _version() -> str:
    return f"twite {twite.__version__}"


def _register(name: str, commands: Any) -> None:
    import_module(f"twite.commands.{name}").register(commands)


def _add_provided(commands: Any) -> None:
    from importlib.metadata import entry_points

    for entry_point in entry_points(group="twite.commands"):
        entry_point.load()(commands)
    for name, distribution in PROVIDED_ELSEWHERE.items():
        if name not in commands.choices:
            _add_missing(commands, name, distribution)


def _add_missing(commands: Any, name: str, distribution: str) -> None:
    def refuse(options: argparse.Namespace, settings: Settings) -> int:
        raise UsageError(f'`twite {name}` comes with twite-build: pip install "{distribution}"')

    summary = f"(comes with {distribution})"
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=refuse)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
