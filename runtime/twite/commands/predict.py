"""`twite predict`: answer files without a server."""

import argparse
import sys
from pathlib import Path

import twite
from twite.commands.arguments import Commands, add_bundle, add_command
from twite.errors import UsageError
from twite.settings import Settings

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
    add_bundle(parser)
    files = "a picture, .json, .txt or .npy; - is JSON on stdin"
    parser.add_argument("files", nargs="+", metavar="FILE", help=files)


def run(options: argparse.Namespace, settings: Settings) -> int:
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
