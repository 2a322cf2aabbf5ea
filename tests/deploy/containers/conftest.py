"""One docker, one bake and one registry for all tests of containers."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from containers import BUNDLE, HARDENED, ROOT, TARGETS, Docker, Images, bake, listens, wait_for
from dialects import answers


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """This machine's docker or a private one, stopped at the end if it was started here."""
    script = str(ROOT / "tools" / "docker.sh")
    was_running = subprocess.run([script, "env"], capture_output=True).returncode == 0
    started = subprocess.run([script, "start"], capture_output=True, text=True)
    if started.returncode:
        said = started.stderr.strip().splitlines() or ["no docker"]
        subprocess.run([script, "stop"], capture_output=True)
        pytest.skip(f"cannot run here: {said[-1]}")
    shown = subprocess.run(
        ["bash", "-c", f'eval "$({script} env)" && env -0'], capture_output=True, check=True
    )
    pairs = (pair.partition("=") for pair in shown.stdout.decode().split("\0") if pair)
    try:
        yield Docker({name: text for name, _, text in pairs})
    finally:
        if not was_running:
            clean = ["--clean"] if os.environ.get("CI") == "true" else []
            subprocess.run([script, "stop", *clean], capture_output=True, timeout=300)


@pytest.fixture(scope="session")
def registry(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty registry on loopback."""
    folder = tmp_path_factory.mktemp("registry")
    binary = shutil.which("docker-registry", path=docker.environment["PATH"])
    if binary is None:
        pytest.skip("cannot run here: no docker-registry; apt install docker-registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
    }
    (folder / "registry.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "serve", str(folder / "registry.json")], stdout=log, stderr=log
        )
    try:
        wait_for(lambda: listens(address), "the registry")
        yield address
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder / "data", ignore_errors=True)


@pytest.fixture(scope="session")
def images(docker: Docker, registry: str) -> Iterator[Images]:
    prefix = f"{registry}/twite"
    made = Images(
        f"{prefix}/edge:0.1.0",
        f"{prefix}/edge-armv7:0.1.0",
        f"{prefix}/lambda:0.1.0-arm64",
        f"{prefix}/lambda:0.1.0-amd64",
        f"{prefix}/lambda-sam:0.1.0",
    )
    bake(docker, prefix, BUNDLE, *TARGETS)
    docker("push", "--quiet", made.edge)
    yield made
    docker.call("rmi", "--force", *made)


@pytest.fixture(scope="session")
def native(docker: Docker, images: Images) -> dict[str, object]:
    """The answers of the amd64 container."""
    with docker.running(images.edge, "--platform", "linux/amd64", *HARDENED) as container:
        return answers(container.wait_until_ready())
