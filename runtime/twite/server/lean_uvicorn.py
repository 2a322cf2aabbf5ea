"""uvicorn's server without its command line.

`import uvicorn` loads click, the reloader and the process manager, a tenth of a server's start. So
the package is found but not run, and given the two of its names that its own modules ask for.
"""

import sys
from importlib.util import find_spec, module_from_spec

_spec = None if "uvicorn" in sys.modules else find_spec("uvicorn")
if _spec:
    sys.modules["uvicorn"] = module_from_spec(_spec)

from uvicorn.config import Config
from uvicorn.server import Server

if _spec:
    vars(sys.modules["uvicorn"]).update(Config=Config, Server=Server)

__all__ = ["Config", "Server"]
