"""The build step beside its parts: the same work, called directly in one script.

    python bench/build.py convert examples/digits    converts and nothing else
    python bench/build.py parts examples/digits      converts, quantizes and evaluates

The parts are the conversion, every recipe's quantization and two evaluations. They share one
process; `twite build` has one for each that may crash, measures every candidate and asks the
finished bundle once more.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from row import Row, at_least, at_most

ROOT = Path(__file__).parent.parent
ROUNDS = 3


def rows(dist: Path) -> list[Row]:
    found = digits_rows(ROOT / "examples" / "digits")
    imagenet = ROOT / "examples" / "imagenet"
    if (imagenet / "trained").is_dir():
        found += imagenet_rows(imagenet)
    return found


def digits_rows(example: Path) -> list[Row]:
    """In alternating rounds, the first of which writes bytecode and fills the page cache."""
    whole_s, parts_s, whole_mb, converter_mb = [], [], [], []
    for _ in range(ROUNDS + 1):
        took_s, peak_mb, _told = build(example)
        whole_s.append(took_s)
        whole_mb.append(peak_mb)
        parts_s.append(_run([sys.executable, __file__, "parts", str(example)])[0])
        converter_mb.append(_run([sys.executable, __file__, "convert", str(example)])[1])
    whole, direct = median(whole_s[1:]), median(parts_s[1:])
    peak, own = median(whole_mb[1:]), median(converter_mb[1:])
    print(f"digits: twite build {whole:.1f} s, {peak:,.0f} MB; its parts in one script ", end="")
    print(f"{direct:.1f} s, the converter alone {own:,.0f} MB\n  median of {ROUNDS} rounds")
    return [
        at_most("twite build digits × its parts", whole / direct, 1.3),
        at_most("memory of twite build × its converter", peak / own, 1.2),
    ]


def imagenet_rows(example: Path) -> list[Row]:
    """Every recipe of the ladder on EfficientNet-Lite0."""
    took_s, _, told = build(example)
    found = {candidate["quantization"]: candidate for candidate in told["candidates"]}
    whole, static = found["fp32"], found["int8-static"]
    scores = {score["name"]: score["value"] for score in static["scores"]}
    faster = whole["latency_ms"] / static["latency_ms"]
    share = static["size_bytes"] / whole["size_bytes"]
    confident = scores["agreement where the source is confident"]
    return [
        at_most("twite build imagenet, the full ladder", took_s, 90, "s", 0),
        at_least("static int8 EfficientNet × as fast as fp32", faster, 1.6),
        at_most("bytes of static int8 EfficientNet of fp32's", share, 0.3),
        at_least("its agreement where the source is confident", confident, 1.0),
    ]


def build(example: Path, *options: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds of one `twite build`, the most memory of it and its children in MB, what it told."""
    with tempfile.TemporaryDirectory(prefix="twite-bench-") as folder:
        command = [sys.executable, "-m", "twite", "build", str(example), "-o", f"{folder}/bundle"]
        took_s, peak_mb, printed = _run([*command, "--json", *options])
        return took_s, peak_mb, json.loads(printed)


def _run(command: list[str]) -> tuple[float, float, str]:
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as process:
        watch = _Peak(process.pid)
        watch.start()
        printed = process.stdout.read() if process.stdout else ""
    took_s = time.perf_counter() - begin
    watch.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return took_s, watch.peak_mb, printed


class _Peak(threading.Thread):
    """The most proportional memory that a process and all below it held at one moment."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak_mb = pid, 0.0

    def run(self) -> None:
        while Path(f"/proc/{self.pid}").exists():
            self.peak_mb = max(self.peak_mb, sum(map(_rss_mb, _family(self.pid))))
            time.sleep(0.1)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        except OSError:
            continue
    return found


def _rss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def convert_only(example: Path) -> None:
    from twite_build.recipe import read_recipe

    with tempfile.TemporaryDirectory(prefix="twite-bench-") as folder:
        _convert(read_recipe(example / "recipe.toml"), _sets(example), Path(folder))


def parts(example: Path) -> None:
    """Convert, quantize in every recipe and evaluate twice; nothing is checked."""
    from litert_quantizer.quantizer import Quantizer

    from twite.engine import Engine
    from twite_build.quantization.calibrate import calibrate
    from twite_build.quantization.rules import rules
    from twite_build.recipe import LADDER, read_recipe

    sets = _sets(example)
    with tempfile.TemporaryDirectory(prefix="twite-bench-") as folder:
        model = _convert(read_recipe(example / "recipe.toml"), sets, Path(folder))
        made = [model]
        for recipe in LADDER[:-1]:
            rule, ranges = rules(recipe), None
            if recipe == "int8-static":
                ranges = calibrate(model, rule, sets["calibration"], fixed_batch=False)
            quantized = Quantizer(str(model), rule).quantize(ranges).quantized_model
            made.append(Path(folder, recipe))
            made[-1].write_bytes(bytes(quantized))
        for chosen in made[:2]:
            engine = Engine(chosen)
            for name, inputs in sets["evaluation"].items():
                for start in range(0, len(inputs), 64):
                    engine.run({name: inputs[start : start + 64]})


def _sets(example: Path) -> dict[str, Any]:
    """The preprocessed samples of an example with one input, by set and by input."""
    import numpy as np

    from twite.preprocess import preprocess
    from twite_build.recipe import read_recipe

    file = read_recipe(example / "recipe.toml")
    how, found = file.recipe.preprocess, {}
    for name in ("calibration", "evaluation"):
        with np.load(file.resolve(getattr(file.recipe.data, name))) as samples:
            found[name] = preprocess({how.input: samples[how.input]}, how)
    return found


def _convert(file: Any, sets: dict[str, Any], folder: Path) -> Path:
    from twite_build.converters.keras import convert
    from twite_build.scratch import save_tensors

    samples, model = folder / "samples.npz", folder / "fp32.tflite"
    save_tensors(samples, sets["evaluation"])
    source = str(file.resolve(file.recipe.source.file))
    request = {"source": source, "samples": str(samples), "model": str(model)}
    convert(request | {"outputs": str(folder / "source.npz")})
    return model


if __name__ == "__main__":
    {"parts": parts, "convert": convert_only}[sys.argv[1]](Path(sys.argv[2]))
