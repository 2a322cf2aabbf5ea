"""SHA-256 by CPython for what is small: OpenSSL takes longer to load than that takes."""

import sys
from importlib import import_module
from typing import Any

SMALL_BYTES = 128 * 1024


def hasher(size: int) -> Any:
    """A hashlib object for so many bytes; OpenSSL's is ten times faster once it is loaded."""
    if size <= SMALL_BYTES:
        try:
            return import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256()
        except ImportError:
            pass
    return import_module("hashlib").sha256()
