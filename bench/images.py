"""Images: their sizes, how long a bake and a change of model take, and how fast one starts.

Needs docker (tools/docker.sh) and dist/digits.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from row import Row

ROOT = Path(__file__).parent.parent
REGISTRY = "twite-bench"
ROUNDS = 7
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
IDLE_S = 20.0
Ceilings = dict[str, dict[str, tuple[float, float]]]
CEILINGS: Ceilings = {
    "edge": {"amd64": (110, 37.5), "arm64": (110, 36)},
    "edge-armv7": {"arm": (90, 30)},
    "lambda": {"amd64": (112, 38), "arm64": (112, 37)},
}
SLIM: Ceilings = {"lambda-slim": {"amd64": (78, 29), "arm64": (78, 29)}}
"""Not in the time of a bake: its numpy is compiled, which takes minutes."""

MADE = (
    *("edge:0.1.0", "edge-armv7:0.1.0", "lambda:0.1.0-amd64", "lambda:0.1.0-arm64"),
    *("lambda-slim:0.1.0-amd64", "lambda-slim:0.1.0-arm64", "lambda-emulated:0.1.0"),
)


def rows(dist: Path) -> list[Row]:
    """Sizes from the manifests, times by the clock; images and containers are removed."""
    started = subprocess.run([ROOT / "tools/docker.sh", "env"], capture_output=True).returncode != 0
    subprocess.run([ROOT / "tools/docker.sh", "start"], check=True)
    environment = docker_environment()
    try:
        return [
            *bake_rows(dist, environment),
            *size_rows(environment, CEILINGS),
            *run_rows(dist, environment),
            *function_rows(dist, environment),
        ]
    finally:
        for name in MADE:
            docker(environment, "rmi", "--force", f"{REGISTRY}/{name}")
        if started:
            subprocess.run([ROOT / "tools/docker.sh", "stop"], check=True)


def docker_environment() -> dict[str, str]:
    script = f'eval "$({ROOT / "tools/docker.sh"} env)" && env -0'
    shown = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    pairs = (pair.partition("=") for pair in shown.decode().split("\0") if pair)
    return {name: text for name, _, text in pairs}


def docker(environment: dict[str, str], *arguments: str) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    return done.stdout


def bake(bundle: Path, environment: dict[str, str], *targets: str) -> float:
    """Seconds of one bake."""
    variables = {**environment, "REGISTRY": REGISTRY, "BUNDLE": str(bundle)}
    begin = time.perf_counter()
    command = [str(ROOT / "tools/images.sh"), *targets]
    subprocess.run(command, env=variables, check=True, capture_output=True, timeout=1200)
    return time.perf_counter() - begin


def bake_rows(dist: Path, environment: dict[str, str]) -> list[Row]:
    targets = tuple(CEILINGS)
    bake(dist / "iris", environment, *targets)
    docker(environment, "builder", "prune", "--all", "--force")
    whole_s = bake(dist / "iris", environment, *targets)
    model_s = bake(dist / "digits", environment, "edge")
    bake(dist / "digits", environment, *targets)
    return [
        Row("bake of five images", f"{whole_s:.0f} s", "≤ 90 s", whole_s <= 90),
        Row("bake after a change of model", f"{model_s:.1f} s", "≤ 3 s", model_s <= 3),
    ]


def size_rows(environment: dict[str, str], ceilings: Ceilings) -> list[Row]:
    found = []
    for target, architectures in ceilings.items():
        for architecture, most in architectures.items():
            tag = f"0.1.0-{architecture}" if target.startswith("lambda") else "0.1.0"
            packed, unpacked = sizes_mb(environment, f"{REGISTRY}/{target}:{tag}", architecture)
            for kind, size, limit in (("unpacked", unpacked, most[0]), ("gzip", packed, most[1])):
                name = f"image {target} {architecture}, {kind}"
                found.append(Row(name, f"{size:.1f} MB", f"≤ {limit} MB", size <= limit))
    return found


def sizes_mb(environment: dict[str, str], image: str, architecture: str) -> tuple[float, float]:
    """Gzipped by the manifest and unpacked by the layers, 10^6 bytes."""
    sys.path.insert(0, str(ROOT / "tests" / "deploy" / "containers"))
    from sizes import saved_sizes_mb

    return saved_sizes_mb(image, architecture, environment)


def run_rows(dist: Path, environment: dict[str, str]) -> list[Row]:
    """docker run to the first answer, beside a script that loads and invokes in the same image."""
    twite_s, bare_s = zip(*(one_round(dist, environment) for _ in range(ROUNDS)), strict=True)
    ratio = median(twite_s) / median(bare_s)
    print(f"docker run to the first prediction {median(twite_s) * 1000:.0f} ms, ", end="")
    print(f"bare script {median(bare_s) * 1000:.0f} ms, median of {ROUNDS} rounds")
    rss_mb, switches = idle(environment)
    return [
        Row("docker run to prediction × bare script", f"{ratio:.2f}", "≤ 1.30", ratio <= 1.3),
        Row("RSS of the idle container", f"{rss_mb:.0f} MB", "≤ 60 MB", rss_mb <= 60),
        Row("context switches of it", f"{switches:.1f}/s", "≤ 2/s", switches <= 2),
    ]


def function_rows(dist: Path, environment: dict[str, str]) -> list[Row]:
    """The function's start in its container, and the sizes of its images without BLAS."""
    from function_start import rows as start_rows

    bake(dist / "digits", environment, "lambda-emulated")
    found = start_rows(f"{REGISTRY}/lambda-emulated:0.1.0", dist / "digits", environment)
    bake(dist / "digits", environment, *SLIM)
    return [*found, *size_rows(environment, SLIM)]


def one_round(dist: Path, environment: dict[str, str]) -> tuple[float, float]:
    pixels = np.load(dist / "digits" / "golden" / "in.image.npy")[0]
    image = f"{REGISTRY}/edge:0.1.0"
    folder = ROOT / ".docker"
    np.save(folder / "pixels.npy", pixels)
    script = ("-v", f"{Path(__file__).with_name('bare_start.py')}:/bare.py:ro")
    data = ("-v", f"{folder / 'pixels.npy'}:/pixels.npy:ro")
    begin = time.perf_counter()
    docker(
        environment, "run", "--rm", *HARDENED, *script, *data, "--network", "host",
        "--entrypoint", "/usr/bin/python3.11", image, "/bare.py", "/model/model.tflite",
        "/pixels.npy",
    )  # fmt: skip
    bare_s = time.perf_counter() - begin
    begin = time.perf_counter()
    name, port = serve(environment)
    try:
        ask(port, pixels)
        return time.perf_counter() - begin, bare_s
    finally:
        docker(environment, "rm", "--force", name)


def serve(environment: dict[str, str]) -> tuple[str, int]:
    """A container on a free port of the host's network, as the bare script has it."""
    from servers import free_port

    port = free_port()
    image = f"{REGISTRY}/edge:0.1.0"
    address = ("--network", "host", "-e", f"PORT={port}", "-e", "HOST=127.0.0.1")
    name = docker(environment, "run", "--detach", *HARDENED, *address, "--no-healthcheck", image)
    return name.strip(), port


def ask(port: int, pixels: object) -> None:
    from servers import ask as post

    body = json.dumps({"features": np.asarray(pixels).tolist()}).encode()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if post(port, body, "application/json")[0] == 200:
            return
        time.sleep(0.001)
    raise SystemExit("the container did not answer within 60 s")


def idle(environment: dict[str, str]) -> tuple[float, float]:
    """RSS in MB and context switches a second of a server that nobody asks."""
    from start import rss_mb

    name, port = serve(environment)
    try:
        ask(port, np.zeros((28, 28, 1), np.uint8))
        pid = int(docker(environment, "inspect", "--format", "{{.State.Pid}}", name))
        time.sleep(3)
        before = switches(pid)
        time.sleep(IDLE_S)
        return rss_mb(pid), (switches(pid) - before) / IDLE_S
    finally:
        docker(environment, "rm", "--force", name)


def switches(pid: int) -> int:
    """Context switches of all threads so far."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
        for line in Path(f"/proc/{pid}/task/{task}/status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total
