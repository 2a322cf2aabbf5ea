"""What is in the images: both architectures, small, equal when built again, whole and listed."""

import json
import re
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest
from containers import BUNDLE, ROOT, Docker, Images, bake, fetch, tool
from sizes import saved_sizes_mb

CEILINGS_MB = {
    ("edge", "amd64"): (110, 37.5),
    ("edge", "arm64"): (110, 36),
    ("edge-armv7", "arm"): (90, 30),
    ("lambda", "arm64"): (112, 37),
    ("lambda", "amd64"): (112, 38),
}
"""Unpacked and gzipped."""


def manifest(registry: str, name: str, architecture: str) -> tuple[str, dict[str, object]]:
    """Digest and manifest of one architecture of a pushed tag."""
    repository, _, tag = name.removeprefix(f"{registry}/").partition(":")
    index = fetch(registry, f"{repository}/manifests/{tag}")
    (digest,) = [
        each["digest"]
        for each in index["manifests"]
        if each["platform"]["architecture"] == architecture
    ]
    return digest, fetch(registry, f"{repository}/manifests/{digest}")


def test_one_tag_has_both_architectures(images: Images, registry: str) -> None:
    repository, _, tag = images.edge.removeprefix(f"{registry}/").partition(":")
    index = fetch(registry, f"{repository}/manifests/{tag}")
    platforms = {each["platform"]["architecture"] for each in index["manifests"]}
    assert platforms == {"amd64", "arm64"}
    assert index["annotations"]["org.opencontainers.image.title"] == "twite"


@pytest.mark.parametrize(("target", "architecture"), CEILINGS_MB)
def test_an_image_stays_below_its_ceiling(
    target: str, architecture: str, images: Images, docker: Docker
) -> None:
    name = {
        "edge": images.edge,
        "edge-armv7": images.armv7,
        "lambda": images.lambda_arm64 if architecture == "arm64" else images.lambda_amd64,
    }[target]
    packed, unpacked = saved_sizes_mb(name, architecture, docker.environment)
    most_unpacked, most_packed = CEILINGS_MB[target, architecture]
    assert unpacked <= most_unpacked
    assert packed <= most_packed


@pytest.mark.parametrize(
    ("which", "platform"),
    [
        ("edge", "linux/amd64"),
        ("edge", "linux/arm64"),
        ("armv7", "linux/arm/v7"),
        ("lambda_amd64", "linux/amd64"),
        ("lambda_arm64", "linux/arm64"),
    ],
)
def test_every_module_imports(which: str, platform: str, images: Images, docker: Docker) -> None:
    script = Path(__file__).with_name("import_everything.py")
    options = ("-v", f"{script}:/import.py:ro", "--entrypoint", "/usr/bin/python3.11")
    options += ("--platform", platform)
    options += ("-e", "QEMU_CPU=cortex-a72") if platform == "linux/arm64" else ()
    assert docker.once(getattr(images, which), "-B", "/import.py", options=options) == ""


def exported(docker: Docker, image: str, platform: str, folder: Path) -> Path:
    """The root of the image, unpacked."""
    name = docker("create", "--platform", platform, image).strip()
    try:
        docker("export", "--output", str(folder / "root.tar"), name)
    finally:
        docker.call("rm", name)
    with tarfile.open(folder / "root.tar") as archive:
        archive.extractall(folder / "root", filter="tar")
    return folder / "root"


@pytest.mark.parametrize(
    ("which", "lock", "platform"),
    [
        ("edge", "edge", "linux/arm64"),
        ("armv7", "edge-arm", "linux/arm/v7"),
        ("lambda_amd64", "lambda", "linux/amd64"),
        ("lambda_arm64", "lambda", "linux/arm64"),
    ],
)
def test_the_list_of_contents_is_the_lock(
    which: str, lock: str, platform: str, images: Images, docker: Docker, tmp_path: Path
) -> None:
    root = exported(docker, getattr(images, which), platform, tmp_path)
    command = [tool("syft"), "scan", f"dir:{root}", "--output", "json", "--quiet"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SYFT_CHECK_FOR_APP_UPDATE": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    artifacts = json.loads(done.stdout)["artifacts"]
    listed = {
        f"{normal(each['name'])}=={each['version']}"
        for each in artifacts
        if each["type"] == "python" and "/usr/local/" in each["locations"][0]["path"]
    }
    kept = tomllib.loads((ROOT / "images" / "kept.toml").read_text())["packages"]["unused"]
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    locked = {
        f"{name}=={version}"
        for name, version, condition in re.findall(r"^(\S+)==(\S+)(?: ; (.*))? \\$", text, re.M)
        if name not in kept
        and ">= '3.15'" not in condition
        and "'win32'" not in condition.replace("!= 'win32'", "")
    }
    assert listed == locked | {"twite==0.1.0"}
    debian = {each["name"] for each in artifacts if each["type"] == "deb"}
    assert {"libc6", "libstdc++6", "python3.11-minimal"} <= debian


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_two_builds_give_one_digest(images: Images, docker: Docker, registry: str) -> None:
    prefix = f"{registry}/again"
    only = (
        "--set",
        "edge.platform=linux/amd64",
        "--set",
        "edge.output=type=image,oci-mediatypes=true",
    )
    bake(docker, prefix, BUNDLE, "--no-cache", *only, "edge")
    try:
        docker("push", "--quiet", f"{prefix}/edge:0.1.0")
        again = fetch(registry, "again/edge/manifests/0.1.0")
        if "manifests" in again:
            (digest,) = [each["digest"] for each in again["manifests"]]
            again = fetch(registry, f"again/edge/manifests/{digest}")
        _, first = manifest(registry, images.edge, "amd64")
        assert again["config"]["digest"] == first["config"]["digest"]  # type: ignore[index]
        assert again["layers"] == first["layers"]
    finally:
        docker.call("rmi", "--force", f"{prefix}/edge:0.1.0")


def test_another_model_is_another_last_layer(
    images: Images, docker: Docker, registry: str, bundles: Path
) -> None:
    prefix = f"{registry}/other"
    bake(docker, prefix, bundles / "iris", "edge")
    try:
        docker("push", "--quiet", f"{prefix}/edge:0.1.0")
        for architecture in ("amd64", "arm64"):
            _, first = manifest(registry, images.edge, architecture)
            _, other = manifest(registry, f"{registry}/other/edge:0.1.0", architecture)
            assert first["layers"][:-1] == other["layers"][:-1]  # type: ignore[index]
            assert first["layers"][-1] != other["layers"][-1]  # type: ignore[index]
    finally:
        docker.call("rmi", "--force", f"{prefix}/edge:0.1.0")


@pytest.mark.parametrize("which", ["edge", "lambda_amd64"])
def test_an_image_has_the_structure_it_should(which: str, images: Images, docker: Docker) -> None:
    command = [tool("container-structure-test"), "test", "--image", getattr(images, which)]
    command += ["--config", str(ROOT / "images" / "structure.yaml"), "--no-color"]
    done = subprocess.run(
        command, env=docker.environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Dockerfile.arm64", "Dockerfile.lambda"])
def test_the_dockerfiles_are_well_made(name: str) -> None:
    command = [tool("hadolint"), "--config", str(ROOT / "images" / "hadolint.yaml")]
    done = subprocess.run([*command, str(ROOT / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
