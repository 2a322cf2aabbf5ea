"""tools/docker.sh and tools/images.sh say in one line what is missing, before anything is built."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD = """case "$*" in
version) ;;
"buildx version") echo "github.com/docker/buildx v0.10.4" ;;
esac"""
ONE_ARCHITECTURE = """case "$*" in
version) ;;
"buildx version") echo "github.com/docker/buildx v0.21.0" ;;
info*) echo "[[Backing Filesystem extfs]]" ;;
esac"""
GOOD = ONE_ARCHITECTURE.replace("Backing Filesystem extfs", "driver-type containerd.snapshotter")
SILENT = "exit 1"


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def start(folder: Path, docker: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Start as a user who is not root, on a machine with this docker."""
    shutil.copytree(ROOT / "tools", folder / "tools")
    programs = folder / "bin"
    programs.mkdir()
    program(programs, "docker", docker)
    program(programs, "id", "echo 1000")
    return subprocess.run(
        [str(folder / "tools" / "docker.sh"), "start"],
        env={"PATH": f"{programs}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("docker", "words"),
    [
        (SILENT, "no docker here answers; install docker with buildx 0.13"),
        (OLD, "docker's buildx is 0.10; images need 0.13 or newer"),
        (ONE_ARCHITECTURE, '"containerd-snapshotter": true'),
    ],
    ids=["no-docker", "old-buildx", "one-architecture"],
)
def test_a_docker_that_will_not_do_is_named(docker: str, words: str, tmp_path: Path) -> None:
    done = start(tmp_path, docker)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_an_emulator_images_build_and_the_missing_one_is_named(tmp_path: Path) -> None:
    done = start(tmp_path, GOOD, BINFMT_MISC=str(tmp_path / "nowhere"))
    assert done.returncode == 0
    told = done.stderr.splitlines()
    assert [line.split()[1] for line in told] == ["qemu-aarch64", "qemu-arm"], done.stderr
    assert all("is not registered: images of that architecture build" in line for line in told)
    assert all("install qemu-user-static 8 or newer" in line for line in told)


@pytest.mark.parametrize(
    ("bundle", "target", "words"),
    [
        ("/nowhere", "edge", "/nowhere is no bundle: it has no bundle.json"),
        ("", "lambda", "a function's image holds its bundle"),
    ],
)
def test_an_image_without_its_bundle_is_refused(bundle: str, target: str, words: str) -> None:
    done = subprocess.run(
        [str(ROOT / "tools" / "images.sh"), target],
        env={**os.environ, "BUNDLE": bundle},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert words in done.stderr


def test_an_architecture_without_wheels_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "images" / "packages.sh"), str(tmp_path / "out"), "riscv64", "locks/edge.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "it is amd64, arm64 or arm" in done.stderr
