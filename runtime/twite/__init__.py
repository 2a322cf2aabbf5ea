"""Twite serves verified TFLite bundles: `Model(load(path)).predict(body, content_type)`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twite.bundle import Bundle, load
    from twite.errors import TwiteError
    from twite.model import Model

__version__ = "0.1.0"
__all__ = ["Bundle", "Model", "TwiteError", "load"]

_HOMES = {
    "Bundle": "twite.bundle",
    "Model": "twite.model",
    "TwiteError": "twite.errors",
    "load": "twite.bundle",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: `twite --help` and a converter's process need no engine."""
    if name not in _HOMES:
        raise AttributeError(f"module 'twite' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
