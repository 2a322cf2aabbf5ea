"""`twite serve`: answer over HTTP."""

import argparse
import gc
from pathlib import Path

from twite.commands.arguments import Commands, add_command
from twite.errors import UsageError
from twite.settings import LOG_FORMATS, LOG_LEVELS, Settings, with_options

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
    add("--workers", type=int, help="processes on the port (TWITE_WORKERS, 1)")
    add("--queue", type=int, help="requests that may wait (TWITE_QUEUE, 256)")
    add("--deadline-s", type=float, help="time of a request (TWITE_DEADLINE_S, 30)")
    add("--batch", type=int, help="most samples of an inference (TWITE_BATCH, measured)")
    add("--log-level", choices=LOG_LEVELS, help="(LOG_LEVEL, info)")
    add("--log-format", choices=LOG_FORMATS, help="(TWITE_LOG_FORMAT, plain)")
    add("--access-log", action="store_true", default=None, help="a line for each request")
    add("--api-key-file", type=Path, metavar="FILE", help="keys that may ask, one a line")


def run(options: argparse.Namespace, settings: Settings) -> int:
    settings = with_options(settings, vars(options))
    if options.api_key_file:
        settings = settings._replace(api_keys=read_keys(options.api_key_file))
    bundles = _bundles(options, settings)
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


def _bundles(options: argparse.Namespace, settings: Settings) -> list[Path]:
    if options.bundles or options.model_dir:
        return [*options.bundles, *filter(None, [options.model_dir])]
    if settings.model_path:
        return [Path(settings.model_path)]
    if KSERVE_MODELS.is_dir():
        return [KSERVE_MODELS]
    raise UsageError("no bundle: name its folder, as in `twite serve dist/digits`")


def read_keys(file: Path) -> tuple[str, ...]:
    """The keys of a file; raises UsageError where it has none, for then anyone might ask."""
    try:
        keys = tuple(file.read_text().split())
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text; it must hold API keys, one a line") from error
    if not keys:
        raise UsageError(f"{file} holds no API key; write one a line, or leave --api-key-file out")
    return keys
