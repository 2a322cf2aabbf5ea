"""`twite predict`: answer files without a server."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import twite
from twite.commands.arguments import Commands, add_command, add_signature
from twite.errors import UsageError
from twite.settings import Settings

Predict = Callable[[bytes, str], bytes]

CONTENT_TYPES = {
    ".json": "application/json",
    ".npy": "application/x-npy",
    ".txt": "text/plain",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
}


def register(commands: Commands) -> None:
    parser = add_command(commands, "predict", run, "Answer files as the server would.")
    parser.add_argument("bundle", nargs="?", type=Path, help="what `twite build` wrote")
    parser.add_argument("--url", help="ask the server at http://HOST:PORT; then name only files")
    add_signature(parser)
    files = "a picture, .json, .txt or .npy; - is JSON on stdin"
    parser.add_argument("files", nargs="*", metavar="FILE", help=files)


def run(options: argparse.Namespace, settings: Settings) -> int:
    files = options.files
    if options.url:
        files = [*([str(options.bundle)] if options.bundle else []), *files]
    if not files or not (options.bundle or options.url):
        raise UsageError("what to answer? name a bundle and files, or --url and files; see --help")
    signature = options.signature
    predict, close = (
        _server(options.url, signature)
        if options.url
        else _model(options.bundle, signature, settings)
    )
    for name in files:
        body, content_type = read(name)
        sys.stdout.write(predict(body, content_type).decode() + "\n")
    close()
    return 0


def _model(
    path: Path, signature: str | None, settings: Settings
) -> tuple[Predict, Callable[[], None]]:
    bundle = twite.load(path)
    model = twite.Model(bundle.view(signature) if signature else bundle, settings.threads)
    model.replay()
    return model.predict, lambda: None


def _server(url: str, signature: str | None) -> tuple[Predict, Callable[[], None]]:
    from twite.client import Client

    client = Client(url, signature)
    return client.predict, client.close


def read(name: str) -> tuple[bytes, str]:
    if name == "-":
        return sys.stdin.buffer.read(), "application/json"
    content_type = CONTENT_TYPES.get(Path(name).suffix.lower())
    if content_type is None:
        known = ", ".join(CONTENT_TYPES)
        raise UsageError(f"{name}: what kind of file is it? known endings are {known}")
    return Path(name).read_bytes(), content_type
