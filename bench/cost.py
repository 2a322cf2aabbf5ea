"""What a million requests cost on Lambda, from durations measured here.

python bench/cost.py BUNDLE; prices are those of eu-west-1 and us-east-1 in 2025, in US dollars.
"""

import json
import re
import sys
import tempfile
from io import BytesIO
from math import ceil
from pathlib import Path
from statistics import median

import numpy as np

from function import HTTP, b64encode, memory, rie

GB_SECOND = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
REQUEST, HTTP_API = 0.20e-6, 1.00e-6
MB_PER_CORE = 1769
SIZES_MB = (128, 256, 512, 1024, 1769)
CALLS = 60


def main(bundle: Path) -> int:
    peak = memory(bundle) if is_picture(bundle) else 0.0
    warm_ms, init_ms = measure(bundle)
    print(f"{bundle.name}: {warm_ms:.2f} ms warm, {init_ms:.0f} ms INIT, one core of this machine")
    if peak:
        print(f"  the process holds {peak:.0f} MB at most, answering JPEGs")
    print("   memory   warm ms   arm64 $  x86-64 $  with HTTP API, arm64")
    for size in SIZES_MB:
        warm = warm_ms * MB_PER_CORE / size
        arm, intel = (million(warm, size, price) for price in GB_SECOND.values())
        print(f"{size:>6} MB {warm:9.2f} {arm:9.2f} {intel:9.2f} {arm + HTTP_API * 1e6:11.2f}")
    print("  a million warm requests, the time of one core shared out as Lambda does")
    return 0


def million(duration_ms: float, memory_mb: int, gb_second: float) -> float:
    """Lambda bills whole milliseconds."""
    return 1e6 * (REQUEST + ceil(duration_ms) / 1000 * memory_mb / 1024 * gb_second)


def measure(bundle: Path) -> tuple[float, float]:
    """The emulator's own durations in milliseconds, median of the warm ones, and that of INIT."""
    event = json.dumps(golden_event(bundle)).encode()
    settings = {"MODEL_PATH": str(bundle), "TWITE_THREADS": "1"}
    with tempfile.TemporaryFile() as log:
        with rie.emulator(settings, log=log) as function:
            for _ in range(CALLS):
                _, answer = function.invoke(event)
        log.seek(0)
        text = log.read().decode()
    if json.loads(answer).get("statusCode") != 200:
        raise SystemExit(f"the function answers {answer!r}")
    warm = [float(ms) for ms in re.findall(r"\tDuration: ([\d.]+) ms", text)]
    (init_ms,) = re.findall(r"INIT REPORT\(durationMs: ([\d.]+)\)", text)
    return median(warm[CALLS // 3 :]), float(init_ms)


def golden_event(bundle: Path) -> dict[str, object]:
    """An HTTP event with the first golden sample, an array as base64."""
    file = BytesIO()
    np.save(file, np.load(next((bundle / "golden").glob("in.*.npy")))[0])
    body = b64encode(file.getvalue()).decode()
    headers = {"content-type": "application/x-npy"}
    return HTTP | {"body": body, "headers": headers, "isBase64Encoded": True}


def is_picture(bundle: Path) -> bool:
    manifest = json.loads((bundle / "bundle.json").read_text())
    return bool(manifest["preprocessing"]["kind"] == "image")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist/iris").resolve()))
