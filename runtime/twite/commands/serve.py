"""`twite serve`: answer over HTTP."""

import argparse
import gc
from pathlib import Path

from twite.commands.arguments import Commands, add_command
from twite.errors import UsageError
from twite.settings import LOG_LEVELS, Settings


def register(commands: Commands) -> None:
    parser = add_command(commands, "serve", run, "Serve bundles over HTTP.")
    parser.add_argument(
        "bundles", type=Path, nargs="*", metavar="BUNDLE", help="what `twite build` wrote"
    )
    parser.add_argument("--host", help="address to listen on (HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port, 0 for any that is free (PORT, 8080)")
    parser.add_argument("--threads", type=int, help="threads of the engine (TWITE_THREADS)")
    parser.add_argument(
        "--accelerator",
        metavar="auto|cpu|NAME[:key=value,…]",
        help="what runs the model; `twite doctor` lists names (TWITE_ACCELERATOR, auto)",
    )
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="(LOG_LEVEL, info)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    chosen = {
        name: value
        for name in ("host", "port", "threads", "log_level", "accelerator")
        if (value := getattr(options, name)) is not None
    }
    settings = settings._replace(**chosen)
    if not 0 <= settings.port <= 65535:
        raise UsageError(f"--port is {settings.port}; it must be 0 to 65535")
    if settings.threads is not None and settings.threads < 1:
        raise UsageError(f"--threads is {settings.threads}; it must be 1 or more")
    if settings.accelerator not in ("auto", "cpu"):
        from twite.accelerators.catalogue import parse

        parse(settings.accelerator)
    bundles = options.bundles or ([Path(settings.model_path)] if settings.model_path else [])
    if not bundles:
        raise UsageError("no bundle: name its folder, as in `twite serve dist/digits`")
    _log_to_stderr(settings)
    # Imports make no garbage: the collector rests until the server has frozen what it loaded.
    gc.disable()
    from twite.server.run import serve

    serve(bundles, settings)
    return 0


def _log_to_stderr(settings: Settings) -> None:
    import logging

    logging.basicConfig(format="%(levelname)-7s %(message)s", level=settings.log_level.upper())
    logging.getLogger("uvicorn").setLevel("WARNING")
