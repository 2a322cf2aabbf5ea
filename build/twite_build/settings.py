"""What the build step reads from the environment."""

import os
from pathlib import Path


def onnx_environment() -> Path | None:
    """TWITE_ONNX_ENVIRONMENT: the virtual environment of the ONNX converter, where one is made."""
    given = os.environ.get("TWITE_ONNX_ENVIRONMENT")
    return Path(given) if given else None


def cache() -> Path:
    """The user's cache folder for Twite (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "twite"


def converter_environment() -> dict[str, str]:
    """This process's environment without what would lead another Python to our packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
