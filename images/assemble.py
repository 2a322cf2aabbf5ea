"""In a Dockerfile: /system and /packages of $TARGETARCH, trimmed, to /out/system."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import settle
import trim

architecture, out = os.environ["TARGETARCH"], Path("/out/system")
variant = os.environ.get("VARIANT", "cpu")
trim.main(Path("/system", architecture), Path("/packages", architecture), out, variant)
settle.main("system", out, [])
