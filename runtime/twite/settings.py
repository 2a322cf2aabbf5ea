"""Settings from the environment; the only module that reads `os.environ`.

A flag of the command wins over a `TWITE_` variable, and that over the conventional names that
platforms set (`PORT`, `HOST`, `MODEL_PATH`, `LOG_LEVEL`, `NO_COLOR`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from twite.errors import UsageError
from twite.processors import memory_bytes

ENGINES = ("ai-edge-litert", "tflite-runtime")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("plain", "json")
HELD_SHARE = 4
"""Of the memory, the part that bodies get: they are copied while they are decoded."""
JSON_NUMBER_BYTES = 512
"""Memory for each number of JSON: parsed it takes 46 bytes, and several requests may be."""
CONNECTION_BYTES = 128 * 1024
"""Memory for each connection: its headers alone may take a quarter of it."""


class Settings(NamedTuple):
    """What `twite serve` needs to know; sizes in bytes, times in seconds.

    drain_pause_s is how long a server keeps answering after SIGTERM, with readiness already
    false, so that load balancers can turn away; drain_timeout_s is what requests in flight get.
    queue is how many requests may wait for a model, deadline_s how long one may take, and batch the
    most samples of one inference, None to measure what gains. docs/operations.md has the others.
    accelerator_probe_s is what every step of a probe may take, accelerator_call_s what an answer
    may; every accelerator_check_every-th answer of an accelerator is compared with the CPU's.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    model_path: str | None = None
    log_level: str = "info"
    log_format: str = "plain"
    access_log: bool = False
    threads: int | None = None
    model_name: str | None = None
    queue: int = 256
    deadline_s: float = 30.0
    batch: int | None = None
    workers: int = 1
    max_connections: int = 4096
    max_target_bytes: int = 8192
    max_header_bytes: int = 32 * 1024
    max_headers: int = 100
    max_body_bytes: int = 16 * 1024 * 1024
    max_held_bytes: int = 128 * 1024 * 1024
    max_batch: int = 1024
    max_json_depth: int = 32
    max_json_numbers: int = 4_000_000
    header_timeout_s: float = 10.0
    body_timeout_s: float = 20.0
    idle_timeout_s: float = 75.0
    send_timeout_s: float = 30.0
    drain_pause_s: float = 0.0
    drain_timeout_s: float = 8.0
    api_keys: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    tracing: bool = False
    color: bool = True
    playground: bool = True
    accelerator: str = "auto"
    accelerator_probe_s: float = 60.0
    accelerator_call_s: float = 5.0
    accelerator_check_every: int = 64
    cache_dir: str | None = None
    on_lambda: bool = False


def read_settings(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Settings:
    """Read every setting; raises UsageError that names the variable and its value.

    Where the control groups below root limit the memory, less is held than the defaults say.
    """
    readings: dict[str, Any] = {
        "host": _text(environment, "HOST"),
        "model_path": _text(environment, "MODEL_PATH"),
        "model_name": _text(environment, "MODEL_NAME"),
        "log_level": _choice(environment, "LOG_LEVEL", LOG_LEVELS),
        "log_format": _choice(environment, "LOG_FORMAT", LOG_FORMATS),
        "playground": _switch(environment, "PLAYGROUND"),
        "access_log": _switch(environment, "ACCESS_LOG"),
        "api_keys": _words(environment, "API_KEY"),
        "cors_origins": _origins(environment),
        "accelerator": _text(environment, "ACCELERATOR"),
        "cache_dir": _cache_dir(environment),
        "on_lambda": "AWS_LAMBDA_RUNTIME_API" in environment or None,
        **{name: _whole(environment, name.upper(), *span) for name, span in _COUNTS.items()},
        **{name: _seconds(environment, name.upper()) for name in _TIMES_S},
    }
    found = _fitting(memory_bytes(root))
    found |= {name: value for name, value in readings.items() if value is not None}
    color, tracing = not environment.get("NO_COLOR"), _tracing(environment)
    return Settings(**found, color=color, tracing=tracing)


def with_options(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """The settings with the flags of a command in their place; raises UsageError.

    A flag has the name of its setting. None is a flag that was not given.
    """
    given = {
        name: value
        for name, value in options.items()
        if name in Settings._fields and value is not None
    }
    for name, (least, most) in {**_COUNTS, **dict.fromkeys(_TIMES_S, (0, _LONGEST_S))}.items():
        if name in given and not least <= given[name] <= most:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} is {given[name]:g}; it must be {least} to {most}")
    return settings._replace(**given)


def _fitting(memory: int | None) -> dict[str, Any]:
    """What clients may take of so much memory, where that is less than the defaults."""
    if memory is None:
        return {}
    shares = {
        "max_held_bytes": memory // HELD_SHARE,
        "max_json_numbers": memory // JSON_NUMBER_BYTES,
        "max_connections": memory // CONNECTION_BYTES,
    }
    defaults = Settings._field_defaults
    return {name: max(1, share) for name, share in shares.items() if share < defaults[name]}


_COUNTS = {
    "port": (0, 65535),
    "threads": (1, 1024),
    "queue": (1, 1 << 20),
    "batch": (1, 1024),
    "workers": (1, 256),
    "max_connections": (1, 1 << 20),
    "max_target_bytes": (16, 1 << 16),
    "max_header_bytes": (64, 1 << 20),
    "max_headers": (1, 10_000),
    "max_body_bytes": (1, 1 << 40),
    "max_held_bytes": (1, 1 << 40),
    "max_batch": (1, 1 << 30),
    "max_json_depth": (1, 900),
    "max_json_numbers": (1, 1 << 40),
    "accelerator_check_every": (1, 1 << 30),
}
"""Whole numbers, with the least and the most that each may be."""

_TIMES_S = (
    "deadline_s",
    "header_timeout_s",
    "body_timeout_s",
    "idle_timeout_s",
    "send_timeout_s",
    "drain_pause_s",
    "drain_timeout_s",
    "accelerator_probe_s",
    "accelerator_call_s",
)

_LONGEST_S = 3600

_CONVENTIONAL = {"HOST", "PORT", "MODEL_NAME", "MODEL_PATH", "LOG_LEVEL"}


def read_engine(environment: Mapping[str, str] = os.environ) -> str | None:
    """The engine that TWITE_ENGINE names, None for the first that is installed."""
    name = _text(environment, "ENGINE")
    if name in (None, "auto", *ENGINES):
        return None if name == "auto" else name
    raise UsageError(f"TWITE_ENGINE is '{name}'; it must be auto, {' or '.join(ENGINES)}")


def read_library_path(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Where the dynamic linker looks before its own folders."""
    return tuple(filter(None, environment.get("LD_LIBRARY_PATH", "").split(":")))


def read_vulkan_drivers(environment: Mapping[str, str] = os.environ) -> tuple[str, ...] | None:
    """The driver manifests that the user names, None where Vulkan looks in its own folders."""
    named = environment.get("VK_DRIVER_FILES") or environment.get("VK_ICD_FILENAMES")
    return tuple(filter(None, named.split(":"))) if named else None


def _cache_dir(environment: Mapping[str, str]) -> str | None:
    """Twite's own folder for what can be made again."""
    if own := _text(environment, "CACHE_DIR"):
        return own
    if cache := environment.get("XDG_CACHE_HOME"):
        return f"{cache}/twite"
    home = environment.get("HOME")
    return f"{home}/.cache/twite" if home else None


def _text(environment: Mapping[str, str], name: str) -> str | None:
    own = environment.get(f"TWITE_{name}")
    return own or (environment.get(name) if name in _CONVENTIONAL else None) or None


def _words(environment: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    """What stands between commas or white space."""
    return tuple((_text(environment, name) or "").replace(",", " ").split()) or None


def _origins(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Origins as browsers send them: a scheme and a host, at most a port, and no path."""
    words = _words(environment, "CORS_ORIGINS")
    for word in words or ():
        scheme, _, host = word.partition("://")
        if word != "*" and not (scheme in ("http", "https") and host and not set(host) & set("/*")):
            hint = "it must be * or origins like https://shop.example:8443"
            raise UsageError(f"CORS_ORIGINS has '{word}'; {hint}")
    return words


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
    if not 0 <= value <= _LONGEST_S:
        span = f"0 to {_LONGEST_S}"
        raise UsageError(f"{name} is '{text}'; it must be a number of seconds from {span}")
    return value


def _choice(environment: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    text = _text(environment, name)
    if text is not None and text.lower() not in known:
        raise UsageError(f"{name} is '{text}'; it must be one of {', '.join(known)}")
    return text.lower() if text else None


def _switch(environment: Mapping[str, str], name: str) -> bool | None:
    text = _text(environment, name)
    if text is not None and text not in ("0", "1"):
        raise UsageError(f"{name} is '{text}'; it must be 1 or 0")
    return text == "1" if text else None


def _tracing(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables ask for spans and say where they go."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER")
    if exporter:
        return exporter != "none"
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name) for name in names)
