"""`twite health`: is the server on this machine ready; what a container's health check runs."""

import argparse
import socket
import sys

from twite.commands.arguments import Commands, add_command
from twite.errors import NotReady
from twite.settings import Settings

TIMEOUT_S = 4.0


def register(commands: Commands) -> None:
    parser = add_command(commands, "health", run, "Ask the server on this machine if it is ready.")
    parser.add_argument("--host", help="(HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="(PORT, 8080)")


def run(options: argparse.Namespace, settings: Settings) -> int:
    host, port = options.host or _reachable(settings.host), options.port or settings.port
    # A socket alone: an HTTP client would take longer to import than to answer.
    try:
        with socket.create_connection((host, port), TIMEOUT_S) as connection:
            connection.sendall(
                b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError as error:
        raise NotReady(f"nothing answers on {host}:{port}: {error.strerror or error}") from error
    head, _, body = answer.partition(b"\r\n\r\n")
    text = body.decode(errors="replace").strip()
    if head.split(b" ")[1:2] != [b"200"]:
        raise NotReady(f"the server on {host}:{port} is not ready: {text or 'no answer'}")
    sys.stdout.write(text + "\n")
    return 0


def _reachable(host: str) -> str:
    """Where to ask a server that listens on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
