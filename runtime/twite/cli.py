"""The command `twite`; the only module that prints or exits."""

import argparse
import gc
import json
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import twite
from twite.errors import TwiteError, UsageError
from twite.settings import LOG_LEVELS, Settings, read_settings

PROVIDED_ELSEWHERE = {"build": "twite-build[tensorflow]"}
"""Commands of other distributions, and what to install for them."""

CONTENT_TYPES = {
    ".json": "application/json",
    ".npy": "application/x-npy",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
}


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
    _add_serve(commands)
    _add_predict(commands)
    _add_inspect(commands)
    _add_check(commands)
    # Finding the commands of other distributions reads every installed one: not before serving.
    if not arguments or arguments[0] not in commands.choices:
        _add_provided(commands)
    return parser


def _version() -> str:
    return f"twite {twite.__version__}"


Commands = Any  # argparse keeps the type of its subparsers to itself


def _add(commands: Commands, name: str, run: Callable[..., int], summary: str) -> _Parser:
    parser: _Parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    return parser


def _add_bundle(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    extra: dict[str, Any] = {"nargs": "?"} if optional else {}
    parser.add_argument("bundle", type=Path, help="the folder that `twite build` wrote", **extra)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _add_serve(commands: Commands) -> None:
    parser = _add(commands, "serve", _serve, "Serve a bundle over HTTP.")
    _add_bundle(parser, optional=True)
    parser.add_argument("--host", help="address to listen on (HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port, 0 for any that is free (PORT, 8080)")
    parser.add_argument("--threads", type=int, help="threads of the engine (TWITE_THREADS)")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="(LOG_LEVEL, info)")


def _add_predict(commands: Commands) -> None:
    parser = _add(commands, "predict", _predict, "Answer files as the server would.")
    _add_bundle(parser)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a picture, .json or .npy; - is JSON on stdin"
    )


def _add_inspect(commands: Commands) -> None:
    parser = _add(commands, "inspect", _inspect, "Show a bundle or a .tflite file.")
    _add_bundle(parser)
    _add_json(parser)


def _add_check(commands: Commands) -> None:
    parser = _add(commands, "check", _check, "Check hashes and golden samples on this machine.")
    _add_bundle(parser)
    _add_json(parser)


def _add_provided(commands: Commands) -> None:
    from importlib.metadata import entry_points

    for entry_point in entry_points(group="twite.commands"):
        entry_point.load()(commands)
    for name, distribution in PROVIDED_ELSEWHERE.items():
        if name not in commands.choices:
            _add_missing(commands, name, distribution)


def _add_missing(commands: Commands, name: str, distribution: str) -> None:
    def refuse(options: argparse.Namespace, settings: Settings) -> int:
        raise UsageError(f'`twite {name}` comes with twite-build: pip install "{distribution}"')

    parser = _add(commands, name, refuse, f"(comes with {distribution})")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    chosen = {
        name: value
        for name in ("host", "port", "threads", "log_level")
        if (value := getattr(options, name)) is not None
    }
    settings = replace(settings, **chosen)
    if not 0 <= settings.port <= 65535:
        raise UsageError(f"--port is {settings.port}; it must be 0 to 65535")
    if settings.threads is not None and settings.threads < 1:
        raise UsageError(f"--threads is {settings.threads}; it must be 1 or more")
    bundle = options.bundle or (Path(settings.model_path) if settings.model_path else None)
    if bundle is None:
        raise UsageError("no bundle: name its folder, as in `twite serve dist/digits`")
    _log_to_stderr(settings)
    # Imports make no garbage: the collector rests until the server has frozen what it loaded.
    gc.disable()
    from twite.server.run import serve

    serve(bundle, settings)
    return 0


def _log_to_stderr(settings: Settings) -> None:
    import logging

    logging.basicConfig(format="%(levelname)-7s %(message)s", level=settings.log_level.upper())
    logging.getLogger("uvicorn").setLevel("WARNING")


def _predict(options: argparse.Namespace, settings: Settings) -> int:
    model = twite.Model(twite.load(options.bundle), settings.threads)
    model.replay()
    for name in options.files:
        body, content_type = _read(name)
        sys.stdout.write(model.predict(body, content_type).decode() + "\n")
    return 0


def _read(name: str) -> tuple[bytes, str]:
    if name == "-":
        return sys.stdin.buffer.read(), "application/json"
    content_type = CONTENT_TYPES.get(Path(name).suffix.lower())
    if content_type is None:
        known = ", ".join(CONTENT_TYPES)
        raise UsageError(f"{name}: what kind of file is it? known endings are {known}")
    return Path(name).read_bytes(), content_type


def _check(options: argparse.Namespace, settings: Settings) -> int:
    model = twite.Model(twite.load(options.bundle), settings.threads)
    fastest_s = model.replay()
    manifest, engine = model.manifest, model.engine
    result = {
        "name": manifest.name,
        "version": manifest.version,
        "files": len(manifest.files),
        "golden_samples": manifest.golden.count,
        "engine": f"{engine.name} {engine.version}",
        "xnnpack": engine.xnnpack,
        "fastest_inference_s": fastest_s,
        "warnings": model.warnings(),
    }
    if options.json:
        _print_json(result)
        return 0
    for warning in model.warnings():
        print(f"twite: warning: {warning}", file=sys.stderr)
    print(f"{manifest.name} {manifest.version}: {len(manifest.files)} files have their hashes")
    count, name = manifest.golden.count, result["engine"]
    print(f"{count} golden samples agree on {name}, {fastest_s * 1000:.3g} ms an inference")
    return 0


def _inspect(options: argparse.Namespace, settings: Settings) -> int:
    from twite.inspection import inspect

    found = inspect(options.bundle)
    if options.json:
        _print_json(found)
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
    rows += [("input", _tensor(spec)) for spec in model["inputs"]]
    rows += [("output", _tensor(spec)) for spec in model["outputs"]]
    rows.append(("operators", ", ".join(f"{n} × {op}" for op, n in model["operators"].items())))
    rows.append(("engine", f"{model['engine']} {model['engine_version']}"))
    rows.append(("XNNPACK", "applied" if model["xnnpack"] else "not applied: expect it to be slow"))
    width = max(len(key) for key, _ in rows) + 2
    return [f"{key:{width}}{value}" for key, value in rows if value]


def _tensor(spec: dict[str, Any]) -> str:
    shape = ", ".join("N" if size == -1 else str(size) for size in spec["shape"])
    return f"{spec['name']} ({shape}) {spec['dtype']}"


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
