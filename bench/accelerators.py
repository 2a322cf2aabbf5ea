"""What the worker of an accelerator costs a call, and what its death costs a request."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from row import Row, at_most

from twite.accelerators.acceleration import Acceleration, Patience
from twite.accelerators.backends import Delegate
from twite.accelerators.catalogue import parse
from twite.bundle import Bundle, load, npy, write
from twite.doctor import TINY
from twite.engine import NAME, VERSION, Engine
from twite.manifest import (
    EngineVersion,
    Golden,
    Manifest,
    Provenance,
    TensorPostprocessing,
    TensorPreprocessing,
)
from twite.tensors import Tensors

SOURCE = Path(__file__).parent.parent / "tests" / "accelerators" / "delegate.c"
CALLS, ROUNDS, KILLS = 1000, 7, 10
DELAY_S, KILL_AFTER_S = 0.05, 0.01
PATIENCE_S = 60.0


class Costs(NamedTuple):
    """Beyond the same delegate in the same process; killed_s is beyond the CPU's own answer."""

    tiny_s: float
    picture_s: float
    killed_s: float


def rows(dist: Path) -> list[Row]:
    costs = worker_costs()
    print("accelerators: a delegate in the worker beside the same one in the process")
    return [
        at_most("worker's cost for a tiny model", costs.tiny_s * 1e6, 15, "µs", 1),
        at_most("worker's cost for 602 kB", costs.picture_s * 1e3, 0.2, "ms"),
        at_most("a killed worker beyond the CPU", costs.killed_s * 1e3, 50, "ms", 1),
    ]


def worker_costs() -> Costs:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = folder / "libdelegate.so"
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-lm"]
        subprocess.run(command, check=True)
        tiny = make_bundle(TINY, folder / "tiny")
        picture = make_bundle(make_picture_model(folder), folder / "picture")
        return Costs(
            worker_cost(tiny, library), worker_cost(picture, library), killed_cost(tiny, library)
        )


def worker_cost(bundle: Bundle, library: Path) -> float:
    """The median through the worker less the median without one, in the quietest rounds."""
    sample = first_sample(bundle)
    plan = {
        "library": str(library),
        "options": {},
        "model": str(bundle.model_path),
        "operator": "",
        "threads": 1,
        "inputs": [spec.name for spec in bundle.manifest.inputs],
        "outputs": [spec.name for spec in bundle.manifest.outputs],
    }
    delegate = Delegate(plan, lambda stage: None)
    cpu = Engine(bundle.model_path, 1)
    acceleration = begin(bundle, library)
    try:
        through, without = [], []
        for _ in range(ROUNDS):
            through.append(typical(lambda: acceleration.run(sample, cpu)))
            without.append(typical(lambda: delegate.run(sample)))
        return min(through) - min(without)
    finally:
        acceleration.close()


def killed_cost(bundle: Bundle, library: Path) -> float:
    """From the kill of a worker with a request in it to the answer, less the CPU's own time."""
    sample, cpu = first_sample(bundle), Engine(bundle.model_path, 1)
    acceleration = begin(bundle, library, f"delay_us={DELAY_S * 1e6:.0f}")
    times: list[float] = []
    try:
        while len(times) < KILLS:
            wait(lambda: acceleration.is_running)
            killed = threading.Timer(KILL_AFTER_S, kill, (acceleration, times))
            killed.start()
            acceleration.run(sample, cpu)
            end = time.perf_counter()
            killed.join()
            times[-1] = end - times[-1]
        return median(times) - typical(lambda: cpu.run(sample))
    finally:
        acceleration.close()


def kill(acceleration: Acceleration, times: list[float]) -> None:
    pid = acceleration.worker_pid
    times.append(time.perf_counter())
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def begin(bundle: Bundle, library: Path, options: str = "") -> Acceleration:
    patience = Patience(restarts=KILLS + 2, backoff_s=1e-5, check_every=1 << 30)
    choice = parse(f"external:library={library},{options}")
    acceleration = Acceleration(bundle, choice, patience=patience)
    acceleration.begin()
    wait(lambda: acceleration.is_running)
    return acceleration


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the accelerator did not start")
        time.sleep(0.01)


def typical(call: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def first_sample(bundle: Bundle) -> Tensors:
    return {name: array[:1] for name, array in bundle.golden_inputs().items()}


def make_bundle(model: Path, target: Path) -> Bundle:
    """A bundle of a model with one input and one output, and noise for its golden samples."""
    engine = Engine(model, 1)
    (wanted,), (given,) = engine.inputs, engine.outputs
    rows = np.random.default_rng(0).normal(size=(2, *wanted.shape[1:])).astype(np.float32)
    outputs = engine.run({wanted.name: rows})
    manifest = Manifest(
        format="twite-bundle",
        schema_version=1,
        name=target.name,
        version="1",
        quantization="fp32",
        inputs=engine.inputs,
        outputs=engine.outputs,
        preprocessing=TensorPreprocessing("tensors"),
        postprocessing=TensorPostprocessing("tensors"),
        files={},
        golden=Golden(2, {wanted.name: "in.npy"}, {given.name: "out.npy"}, {given.name: 1e-3}),
        engines=(EngineVersion(NAME, VERSION, "any"),),
        provenance=Provenance("bench", "0" * 64, "0" * 64, {}),
        measurements={},
    )
    files = {"model.tflite": model.read_bytes(), "in.npy": npy(rows)}
    write(target, manifest, files | {"out.npy": npy(outputs[given.name])})
    return load(target)


def make_picture_model(folder: Path) -> Path:
    """An addition over 224 × 224 × 3 numbers, 602 kB, made by TensorFlow in its own process."""
    file = folder / "picture.tflite"
    code = (
        "import sys, tensorflow as tf\n"
        "image = tf.TensorSpec((1, 224, 224, 3), tf.float32, name='image')\n"
        "mean = tf.function(lambda image: {'mean': tf.reduce_mean(image + image, axis=(1, 2))})\n"
        "function = mean.get_concrete_function(image)\n"
        "made = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()\n"
        "open(sys.argv[1], 'wb').write(made)\n"
    )
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", code, str(file)]
    subprocess.run(command, check=True, env=quiet, stderr=subprocess.DEVNULL)
    return file
