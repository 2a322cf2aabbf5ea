"""Twite serves verified TFLite bundles: `Model(load(path)).predict(body, content_type)`."""

from twite.bundle import Bundle, load
from twite.errors import TwiteError
from twite.model import Model

__version__ = "0.1.0"
__all__ = ["Bundle", "Model", "TwiteError", "load"]
