"""wrk as the client: many connections, one body, its rate and its percentiles."""

import re
import shutil
import subprocess
import tempfile
from math import inf
from pathlib import Path
from typing import NamedTuple

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Load(NamedTuple):
    """rate in requests a second, the latencies in seconds; endless where nothing was answered."""

    rate: float
    p50_s: float
    p99_s: float


def wrk(
    port: int, path: str, body: bytes, headers: dict[str, str], *, connections: int, seconds: float
) -> Load:
    """Send body over and over on each connection; every answer must be 2xx."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; apt install wrk, or name rows that do without it")
    with tempfile.TemporaryDirectory() as folder:
        file, script = Path(folder) / "body", Path(folder) / "ask.lua"
        file.write_bytes(body)
        lines = ["wrk.method = 'POST'", f"wrk.body = io.open('{file}', 'rb'):read('*a')"]
        lines += [f"wrk.headers['{name}'] = '{text}'" for name, text in headers.items()]
        script.write_text("\n".join(lines))
        options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s", "--latency"]
        command = ["wrk", *options, "-s", str(script), f"http://127.0.0.1:{port}{path}"]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if rate is None or "Non-2xx" in printed or "Socket errors" in printed:
        raise SystemExit(f"wrk says\n{printed}")
    if float(rate[1]) == 0:
        return Load(0.0, inf, inf)
    return Load(float(rate[1]), _percentile(printed, 50), _percentile(printed, 99))


def _percentile(printed: str, part: int) -> float:
    found = re.search(rf"^\s+{part}%\s+([\d.]+)(us|ms|s|m)\s*$", printed, re.MULTILINE)
    if found is None:
        raise SystemExit(f"wrk printed no {part} %:\n{printed}")
    return float(found[1]) * UNITS[found[2]]
