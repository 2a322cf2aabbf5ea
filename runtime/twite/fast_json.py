"""orjson, where the extra `json` is installed: long JSON several times as fast as with `json`."""

from functools import cache
from types import ModuleType


@cache
def orjson() -> ModuleType | None:
    """The module, imported when it is first asked for; None where it is not installed."""
    try:
        import orjson
    except ImportError:
        return None
    return orjson
