"""The socket that a server listens on."""

import socket

from twite.errors import UsageError
from twite.settings import Settings


def bind(settings: Settings) -> socket.socket:
    """A bound socket; raises UsageError when the address cannot be had.

    Several workers bind the same one, and the system spreads the connections over them.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if settings.workers > 1:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((settings.host, settings.port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {spell(settings.host)}:{settings.port}: "
            f"{getattr(error, 'strerror', None) or error}; choose another with --host or --port"
        ) from error
    return listener


def spell(host: str) -> str:
    return f"[{host}]" if ":" in host else host
