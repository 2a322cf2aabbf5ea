"""`twite serve`: answer over HTTP."""

import argparse
import gc
from pathlib import Path

from twite.commands.arguments import Commands, add_command
from twite.errors import UsageError
from twite.settings import COUNTS, LOG_FORMATS, LOG_LEVELS, Settings


def register(commands: Commands) -> None:
    parser = add_command(commands, "serve", run, "Serve bundles over HTTP.")
    parser.add_argument(
        "bundles", type=Path, nargs="*", metavar="BUNDLE", help="what `twite build` wrote"
    )
    parser.add_argument("--host", help="address to listen on (HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port, 0 for any that is free (PORT, 8080)")
    parser.add_argument("--threads", type=int, help="threads of the engine (TWITE_THREADS)")
    parser.add_argument("--workers", type=int, help="processes on the port (TWITE_WORKERS, 1)")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="(LOG_LEVEL, info)")
    parser.add_argument("--log-format", choices=LOG_FORMATS, help="(TWITE_LOG_FORMAT, plain)")
    parser.add_argument(
        "--access-log", action="store_true", default=None, help="a line for each request"
    )
    parser.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help="keys that may ask, one a line"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    settings = _chosen(options, settings)
    bundles = options.bundles or ([Path(settings.model_path)] if settings.model_path else [])
    if not bundles:
        raise UsageError("no bundle: name its folder, as in `twite serve dist/digits`")
    from twite.server.logs import log_to_stderr

    log_to_stderr(settings)
    # Imports make no garbage: the collector rests until the server has frozen what it loaded.
    gc.disable()
    worker = None
    if settings.workers > 1:
        from twite.server.workers import in_workers

        forked = in_workers(settings)
        if forked is None:
            return 0
        settings, worker = forked
    from twite.server.run import serve

    serve(bundles, settings, worker)
    return 0


def _chosen(options: argparse.Namespace, settings: Settings) -> Settings:
    """The settings with the flags; raises UsageError."""
    flags = ("host", "port", "threads", "workers", "log_level", "log_format", "access_log")
    chosen = {name: value for name in flags if (value := getattr(options, name)) is not None}
    settings = settings._replace(**chosen)
    for name in ("port", "threads", "workers"):
        least, most = COUNTS[name]
        value = getattr(settings, name)
        if value is not None and not least <= value <= most:
            raise UsageError(f"--{name} is {value}; it must be {least} to {most}")
    if options.api_key_file:
        settings = settings._replace(api_keys=read_keys(options.api_key_file))
    return settings


def read_keys(file: Path) -> tuple[str, ...]:
    """The keys of a file; raises UsageError where it has none, for then anyone might ask."""
    try:
        keys = tuple(file.read_text().split())
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text; it must hold API keys, one a line") from error
    if not keys:
        raise UsageError(f"{file} holds no API key; write one a line, or leave --api-key-file out")
    return keys
