"""Settings from the environment; the only module that reads `os.environ`.

A flag of the command wins over a `TWITE_` variable, and that over the conventional names that
platforms set (`PORT`, `HOST`, `MODEL_PATH`, `LOG_LEVEL`, `NO_COLOR`).
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from twite.errors import UsageError

ENGINES = ("ai-edge-litert", "tflite-runtime")
LOG_LEVELS = ("debug", "info", "warning", "error")


class Settings(NamedTuple):
    """What `twite serve` needs to know; sizes in bytes, times in seconds.

    drain_pause_s is how long a server keeps answering after SIGTERM, with readiness already
    false, so that load balancers can turn away; drain_timeout_s is what requests in flight get.

    accelerator_probe_s is what every step of a probe may take, accelerator_call_s what an answer
    may; every accelerator_check_every-th answer of an accelerator is compared with the CPU's.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    model_path: str | None = None
    log_level: str = "info"
    threads: int | None = None
    max_body_bytes: int = 16 * 1024 * 1024
    drain_pause_s: float = 0.0
    drain_timeout_s: float = 8.0
    color: bool = True
    accelerator: str = "auto"
    accelerator_probe_s: float = 60.0
    accelerator_call_s: float = 5.0
    accelerator_check_every: int = 64
    cache_dir: str | None = None
    on_lambda: bool = False


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read every setting; raises UsageError that names the variable and its value."""
    readings = {
        "host": _text(environment, "HOST"),
        "port": _whole(environment, "PORT", 0, 65535),
        "model_path": _text(environment, "MODEL_PATH"),
        "log_level": _log_level(environment),
        "threads": _whole(environment, "THREADS", 1, 1024),
        "max_body_bytes": _whole(environment, "MAX_BODY_BYTES", 1, 1 << 40),
        "drain_pause_s": _seconds(environment, "DRAIN_PAUSE_S"),
        "drain_timeout_s": _seconds(environment, "DRAIN_TIMEOUT_S"),
        "accelerator": _text(environment, "ACCELERATOR"),
        "accelerator_probe_s": _seconds(environment, "ACCELERATOR_PROBE_S"),
        "accelerator_call_s": _seconds(environment, "ACCELERATOR_CALL_S"),
        "accelerator_check_every": _whole(environment, "ACCELERATOR_CHECK_EVERY", 1, 1 << 30),
        "cache_dir": _cache_dir(environment),
        "on_lambda": "AWS_LAMBDA_RUNTIME_API" in environment or None,
    }
    found: dict[str, Any] = {name: value for name, value in readings.items() if value is not None}
    return Settings(**found, color=not environment.get("NO_COLOR"))


_CONVENTIONAL = {"HOST", "PORT", "MODEL_PATH", "LOG_LEVEL"}


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
