"""A module that runs when something of it is first used, not when it is imported.

The application's modules import asyncio, which takes a fifth of a cold start; what the function
answers without mangum never uses it. importlib's LazyLoader would run it at the next import.
"""

import sys
from importlib import import_module
from threading import RLock
from types import ModuleType

_turn = RLock()


def defer(name: str) -> None:
    """Put a stand-in for the module in its place, unless it was imported already."""
    if name not in sys.modules:
        sys.modules[name] = Deferred(name)


class Deferred(ModuleType):
    """Makes way for the module when it is asked for the first thing that it does not have."""

    def __getattr__(self, attribute: str) -> object:
        name = self.__name__
        with _turn:
            if sys.modules[name] is self:
                del sys.modules[name]
            module = import_module(name)
        return getattr(module, attribute)
