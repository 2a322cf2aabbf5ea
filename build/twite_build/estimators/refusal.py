"""The kinds of steps, and the error for what is none."""

from collections.abc import Callable
from typing import Any

from twite.errors import UnsupportedTarget

Step = Callable[[Any], Any]
"""A tensor (N, features) to a tensor (N, …)."""


def refuse(model: Any, only: str) -> UnsupportedTarget:
    """An estimator that is supported, but not with these settings."""
    return UnsupportedTarget(f"{type(model).__name__} is supported only {only}")
