"""`twite serve`: answer over HTTP."""

import argparse
import gc
from pathlib import Path

from twite.commands.arguments import Commands, add_command
from twite.errors import UsageError
from twite.settings import LOG_LEVELS, Settings, with_options

KSERVE_MODELS = Path("/mnt/models")


def register(commands: Commands) -> None:
    parser = add_command(commands, "serve", run, "Serve bundles over HTTP.")
    add = parser.add_argument
    add("bundles", type=Path, nargs="*", metavar="BUNDLE", help="a bundle, or a folder of bundles")
    add("--host", help="address to listen on (HOST, 127.0.0.1)")
    add("--port", "--http_port", type=int, help="port, 0 for any that is free (PORT, 8080)")
    add("--model-name", "--model_name", help="name of the only bundle (MODEL_NAME)")
    add("--model_dir", type=Path, help="as BUNDLE; KServe says it so")
    add("--threads", type=int, help="threads of an interpreter (TWITE_THREADS)")
    add("--queue", type=int, help="requests that may wait (TWITE_QUEUE, 256)")
    add("--deadline-s", type=float, help="time of a request (TWITE_DEADLINE_S, 30)")
    add("--batch", type=int, help="most samples of an inference (TWITE_BATCH, measured)")
    add("--log-level", choices=LOG_LEVELS, help="(LOG_LEVEL, info)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    settings = with_options(settings, vars(options))
    bundles = _bundles(options, settings)
    _log_to_stderr(settings)
    # Imports make no garbage: the collector rests until the server has frozen what it loaded.
    gc.disable()
    from twite.server.run import serve

    serve(bundles, settings)
    return 0


def _bundles(options: argparse.Namespace, settings: Settings) -> list[Path]:
    if options.bundles or options.model_dir:
        return [*options.bundles, *filter(None, [options.model_dir])]
    if settings.model_path:
        return [Path(settings.model_path)]
    if KSERVE_MODELS.is_dir():
        return [KSERVE_MODELS]
    raise UsageError("no bundle: name its folder, as in `twite serve dist/digits`")


def _log_to_stderr(settings: Settings) -> None:
    import logging

    logging.basicConfig(format="%(levelname)-7s %(message)s", level=settings.log_level.upper())
    logging.getLogger("uvicorn").setLevel("WARNING")
