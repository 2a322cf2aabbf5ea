"""Settings from the environment; the only module that reads `os.environ`.

A flag of the command wins over a `TWITE_` variable, and that over the conventional names that
platforms set (`PORT`, `HOST`, `MODEL_PATH`, `LOG_LEVEL`, `NO_COLOR`).
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from twite.errors import UsageError

LOG_LEVELS = ("debug", "info", "warning", "error")


class Settings(NamedTuple):
    """What `twite serve` needs to know; sizes in bytes, times in seconds.

    drain_pause_s is how long a server keeps answering after SIGTERM, with readiness already
    false, so that load balancers can turn away; drain_timeout_s is what requests in flight get.
    queue is how many requests may wait for a model, deadline_s how long one may take, and batch the
    most samples of one inference, None to measure what gains.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    model_path: str | None = None
    log_level: str = "info"
    threads: int | None = None
    model_name: str | None = None
    queue: int = 256
    deadline_s: float = 30.0
    batch: int | None = None
    max_body_bytes: int = 16 * 1024 * 1024
    drain_pause_s: float = 0.0
    drain_timeout_s: float = 8.0
    color: bool = True


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read every setting; raises UsageError that names the variable and its value."""
    readings = {
        "host": _text(environment, "HOST"),
        "port": _whole(environment, "PORT", *_BOUNDS["port"]),
        "model_path": _text(environment, "MODEL_PATH"),
        "log_level": _log_level(environment),
        "threads": _whole(environment, "THREADS", *_BOUNDS["threads"]),
        "model_name": _text(environment, "MODEL_NAME"),
        "queue": _whole(environment, "QUEUE", *_BOUNDS["queue"]),
        "deadline_s": _seconds(environment, "DEADLINE_S"),
        "batch": _whole(environment, "BATCH", 1, 1024),
        "max_body_bytes": _whole(environment, "MAX_BODY_BYTES", 1, 1 << 40),
        "drain_pause_s": _seconds(environment, "DRAIN_PAUSE_S"),
        "drain_timeout_s": _seconds(environment, "DRAIN_TIMEOUT_S"),
    }
    found: dict[str, Any] = {name: value for name, value in readings.items() if value is not None}
    return Settings(**found, color=not environment.get("NO_COLOR"))


def with_options(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """The settings with the flags of a command in their place; raises UsageError.

    A flag has the name of its setting. None is a flag that was not given.
    """
    given = {
        name: value
        for name, value in options.items()
        if name in Settings._fields and value is not None
    }
    for name, (least, most) in _BOUNDS.items():
        if name in given and not least <= given[name] <= most:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} is {given[name]:g}; it must be {least} to {most}")
    return settings._replace(**given)


_BOUNDS = {
    "port": (0, 65535),
    "threads": (1, 1024),
    "queue": (1, 1 << 20),
    "batch": (1, 1024),
    "deadline_s": (0, 3600),
}

_CONVENTIONAL = {"HOST", "PORT", "MODEL_NAME", "MODEL_PATH", "LOG_LEVEL"}


def _text(environment: Mapping[str, str], name: str) -> str | None:
    own = environment.get(f"TWITE_{name}")
    return own or (environment.get(name) if name in _CONVENTIONAL else None) or None


def _whole(environment: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = _text(environment, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text[:20]) <= most):
        raise UsageError(f"{name} is '{text}'; it must be a whole number from {least} to {most}")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str) -> float | None:
    text = _text(environment, name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3600:
        raise UsageError(f"{name} is '{text}'; it must be a number of seconds from 0 to 3600")
    return value


def _log_level(environment: Mapping[str, str]) -> str | None:
    text = _text(environment, "LOG_LEVEL")
    if text is not None and text.lower() not in LOG_LEVELS:
        raise UsageError(f"LOG_LEVEL is '{text}'; it must be one of {', '.join(LOG_LEVELS)}")
    return text.lower() if text else None
