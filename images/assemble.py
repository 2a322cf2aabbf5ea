"""In a Dockerfile: /system and /packages of $TARGETARCH, trimmed, to /out/system."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import settle
import trim

architecture, out = os.environ["TARGETARCH"], Path("/out/system")
variant = os.environ.get("VARIANT", "cpu")
numpy = Path("/numpy/out") if Path("/numpy/out").is_dir() else None
trim.main(Path("/system", architecture), Path("/packages", architecture), out, variant, numpy)
if variant == "lambda" and architecture == "arm64":
    # Lambda's arm64 lacks these; without them XNNPACK stays away and nothing says so.
    cores = out / "sys/devices/system/cpu"
    cores.mkdir(parents=True)
    for name in ("possible", "present"):
        (cores / name).write_text("0-1\n")
settle.main("system", out, [])
