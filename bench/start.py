"""Time from the start of `twite serve` to its first right answer, and its memory then."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from row import Row, at_most
from servers import environment, first_answer, free_port, running, twite_serve

HERE = Path(__file__).parent
ROUNDS = 9
SETTLE_S = 2.0


def rows(dist: Path) -> list[Row]:
    twite_s, bare_s, rss = start(dist / "digits")
    print(f"digits: first right answer after {twite_s * 1000:.0f} ms; bare script ", end="")
    print(f"{bare_s * 1000:.0f} ms\n  median of {ROUNDS} rounds")
    return [
        at_most("start to the first answer × bare script", twite_s / bare_s, 1.6),
        at_most("RSS of the idle server with digits", rss, 60, "MB", 0),
    ]


def start(bundle: Path) -> tuple[float, float, float]:
    """Median seconds of twite and of the bare script, in alternating rounds; RSS in MB, idle."""
    pixels, digit = golden_digit(bundle)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pixels.npy"
        np.save(file, pixels)
        for _ in range(ROUNDS + 1):
            bare_s = start_bare(bundle / "model.tflite", file, digit)
            twite_s, rss_mb = start_twite(bundle, file.read_bytes(), digit)
            rounds.append((twite_s, bare_s, rss_mb))
    # The first round fills the page cache and writes bytecode.
    twite, bare, rss = zip(*rounds[1:], strict=True)
    return median(twite), median(bare), median(rss)


def golden_digit(bundle: Path) -> tuple[npt.NDArray[np.uint8], str]:
    """The first golden sample, uint8 (H, W, C), and the class that was verified for it."""
    golden = json.loads((bundle / "bundle.json").read_text())["golden"]
    (inputs,), (outputs,) = golden["inputs"].values(), golden["outputs"].values()
    labels = (bundle / "labels.txt").read_text().splitlines()
    return np.load(bundle / inputs)[0], labels[int(np.load(bundle / outputs)[0].argmax())]


def start_bare(model: Path, pixels: Path, digit: str) -> float:
    command = [sys.executable, str(HERE / "bare_start.py"), str(model), str(pixels)]
    begin = time.perf_counter()
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment(), stdout=pipe, stderr=null, text=True
    ) as process:
        printed = process.stdout.readline() if process.stdout else ""
        took_s = time.perf_counter() - begin
    if printed.strip() != digit:
        raise SystemExit(f"the bare script says {printed!r}; the golden sample is {digit}")
    return took_s


def start_twite(bundle: Path, pixels: bytes, digit: str) -> tuple[float, float]:
    port = free_port()
    begin = time.perf_counter()
    with running(twite_serve(bundle, port)) as process:
        answer = first_answer(process, port, pixels, "application/x-npy")
        took_s = time.perf_counter() - begin
        if json.loads(answer)["prediction"][0]["class"] != digit:
            raise SystemExit(f"twite says {answer!r}; the golden sample is {digit}")
        time.sleep(SETTLE_S)
        return took_s, rss_mb(process.pid)


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024 / 1e6
