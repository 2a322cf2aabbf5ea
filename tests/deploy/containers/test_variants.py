"""The images for accelerators: small, closed, and right with their device and without it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from containers import BUNDLE, HARDENED, ROOT, Container, Docker, Images, bake, tool, wait_for
from dialects import agree, answers
from sizes import Saved, saved

from twite.bundle import load, write
from twite.manifest import Companion

SITE = "usr/local/lib/python3.11/dist-packages"
ARM = ("--platform", "linux/arm64", "-e", "QEMU_CPU=cortex-a72")
CEILINGS_MB = {
    ("edgetpu", "amd64"): (110, 37.5),
    ("edgetpu", "arm64"): (110, 36),
    ("gpu", "amd64"): (131, 45.5),
    ("gpu", "arm64"): (126, 43),
    ("jetson", "arm64"): (126, 43),
}
"""Unpacked and gzipped."""
OWN_FILES = {
    "edgetpu": [
        "usr/lib/*/libusb-1.0.so.0*",
        "usr/lib/*/libudev.so.1*",
        "usr/share/doc/lib[u]*/copyright",
        "var/lib/dpkg/status.d/lib[u]*",
        "usr/lib/libedgetpu.so.1",
    ],
    "gpu": [
        "usr/lib/*/libvulkan.so.1*",
        "usr/share/doc/libvulkan1/copyright",
        "var/lib/dpkg/status.d/libvulkan1",
        f"{SITE}/ai_edge_litert/*",
        f"{SITE}/ml_dtypes*",
    ],
}
"""What a variant has beside the files of `edge`."""
MISSING = {
    "edgetpu": ("edgetpu", "no device: /dev/apex_*, USB 1a6e:089a, USB 18d1:9302", "apex"),
    "gpu": ("webgpu", "no Vulkan driver", "mesa-vulkan-drivers"),
    "jetson": ("webgpu", "no Vulkan driver", "mesa-vulkan-drivers"),
}
"""Accelerator, what a container without the device says of it, and a word of what mends it."""
OF_THE_IMAGE = ("libc.so", "libm.so", "libpthread.so", "ld-", "libgcc_s.so", "libstdc++.so")


class Variants(NamedTuple):
    """Names of the images; in that for the Edge TPU is the delegate that stands for Coral's."""

    edgetpu: str
    gpu: str
    jetson: str


@pytest.fixture(scope="module")
def variants(
    docker: Docker, images: Images, library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Variants]:
    prefix = images.edge.rpartition("/")[0]
    made = Variants(*(f"{prefix}/edge-{name}:0.1.0" for name in Variants._fields))
    folder = tmp_path_factory.mktemp("accelerator")
    (folder / "usr/lib").mkdir(parents=True)
    shutil.copy(library, folder / "usr/lib/libedgetpu.so.1")
    bake(docker, prefix, BUNDLE, "edge-edgetpu", ACCELERATOR=str(folder))
    bake(docker, prefix, BUNDLE, "edge-gpu", "edge-jetson")
    yield made
    docker.call("rmi", "--force", *made)


@pytest.fixture(scope="module")
def contents(docker: Docker, images: Images, variants: Variants) -> dict[tuple[str, str], Saved]:
    """What each variant and architecture holds, and `edge` itself on amd64."""
    names = {**variants._asdict(), "edge": images.edge}
    return {
        (name, architecture): saved(names[name], architecture, docker.environment)
        for name, architecture in [*CEILINGS_MB, ("edge", "amd64")]
    }


def platform(variant: str) -> tuple[str, ...]:
    return ARM if variant == "jetson" else ("--platform", "linux/amd64")


@pytest.mark.parametrize(("variant", "architecture"), CEILINGS_MB)
def test_a_variant_stays_below_its_ceiling(
    variant: str, architecture: str, contents: dict[tuple[str, str], Saved]
) -> None:
    found = contents[variant, architecture]
    most_unpacked, most_packed = CEILINGS_MB[variant, architecture]
    assert found.unpacked_mb <= most_unpacked
    assert found.packed_mb <= most_packed


@pytest.mark.parametrize("variant", OWN_FILES)
def test_a_variant_adds_what_its_accelerator_needs(
    variant: str, contents: dict[tuple[str, str], Saved]
) -> None:
    plain, own = contents["edge", "amd64"].files, contents[variant, "amd64"].files
    assert plain <= own
    added = own - plain
    unasked = {
        name for name in added if not any(fnmatchcase(name, each) for each in OWN_FILES[variant])
    }
    assert unasked == set()
    assert all(any(fnmatchcase(name, each) for name in added) for each in OWN_FILES[variant])


def test_the_image_for_jetson_is_that_for_gpus(
    contents: dict[tuple[str, str], Saved], variants: Variants, docker: Docker
) -> None:
    assert contents["jetson", "arm64"].layers == contents["gpu", "arm64"].layers
    shown = docker("image", "inspect", "--format", "{{json .Config}}", variants.jetson)
    settings = set(json.loads(shown)["Env"])
    # What NVIDIA's container runtime reads: the devices, and Vulkan among the libraries.
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=all"} <= settings


@pytest.mark.parametrize("variant", Variants._fields)
def test_a_variant_has_the_settings_of_the_plain_image(
    variant: str, variants: Variants, images: Images, docker: Docker
) -> None:
    def config(image: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            docker("image", "inspect", "--format", "{{json .Config}}", image)
        )
        return found

    plain, own = config(images.edge), config(getattr(variants, variant))
    assert set(plain["Env"]) <= set(own["Env"])
    assert own["Labels"]["org.opencontainers.image.title"] == "twite"
    for key in ("User", "Entrypoint", "Cmd", "Healthcheck", "StopSignal", "ExposedPorts", "Labels"):
        assert own[key] == plain[key], key
    assert own["User"] == "65532:65532"


@pytest.mark.parametrize("variant", OWN_FILES)
def test_a_variant_has_the_structure_it_should(
    variant: str, variants: Variants, docker: Docker
) -> None:
    command = [tool("container-structure-test"), "test", "--image", getattr(variants, variant)]
    command += ["--config", str(ROOT / "images" / "structure.yaml"), "--no-color"]
    done = subprocess.run(
        command, env=docker.environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_of_the_gpus_image_imports(variants: Variants, docker: Docker) -> None:
    script = Path(__file__).with_name("import_everything.py")
    options = ("-v", f"{script}:/import.py:ro", "--entrypoint", "/usr/bin/python3.11")
    amd64 = platform("gpu")
    assert docker.once(variants.gpu, "-B", "/import.py", options=(*amd64, *options)) == ""


@pytest.mark.parametrize("variant", Variants._fields)
def test_a_variant_checks_its_bundle(variant: str, variants: Variants, docker: Docker) -> None:
    options = (*platform(variant), "--read-only", "--cap-drop", "ALL")
    image = getattr(variants, variant)
    report = json.loads(docker.once(image, "check", "/model", "--json", options=options))
    assert report["xnnpack"] is True
    assert report["golden_samples"] > 0


@pytest.mark.parametrize("variant", Variants._fields)
def test_a_device_that_is_not_there_is_named_and_the_cpu_serves(
    variant: str, variants: Variants, docker: Docker, native: dict[str, object]
) -> None:
    accelerator, missing, fix = MISSING[variant]
    options = (*platform(variant), *HARDENED, "-e", f"TWITE_ACCELERATOR={accelerator}")
    with docker.running(getattr(variants, variant), *options) as container:
        container.wait_until_ready()

        def health() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(container.ask("GET", "/healthz")[1])["accelerator"]
            return found

        wait_for(lambda: health()["state"] == "refused", "the refusal")
        (refusal,) = health()["refused"]
        assert refusal["name"] == accelerator
        assert missing in refusal["reason"]
        assert fix in refusal["reason"]
        assert agree(native, answers(container))
        told = [line for line in container.log.splitlines() if "refused: " in line]
        assert len(told) == 1, container.log
        assert missing in told[0]


@pytest.mark.parametrize("variant", OWN_FILES)
def test_the_doctor_names_the_missing_device(
    variant: str, variants: Variants, docker: Docker
) -> None:
    accelerator, *_ = MISSING[variant]
    options = (*platform(variant), "--read-only")
    told = docker.once(getattr(variants, variant), "doctor", "--json", options=options)
    found = {each["name"]: each for each in json.loads(told)["accelerators"]}[accelerator]
    assert found["state"] == "absent"
    assert "no device: " in found["missing"]
    assert "in a container: --device" in found["fix"]


@pytest.mark.parametrize("place", ["inside", "mounted"])
def test_an_edge_tpus_library_is_found_and_used(
    place: str,
    variants: Variants,
    docker: Docker,
    library: Path,
    bundles: Path,
    tmp_path: Path,
) -> None:
    path = "/usr/lib/libedgetpu.so.1" if place == "inside" else "/usr/local/lib/libedgetpu.so.1"
    mounts = [f"{compiled_bundle(bundles / 'iris', tmp_path)}:/model:ro"]
    # A file that stands for the stick: it is there, and whoever serves may open it.
    device = tmp_path / "apex_0"
    device.touch()
    device.chmod(0o666)
    mounts.append(f"{device}:/dev/apex_0")
    if place == "mounted":
        mounts.append(f"{library}:{path}:ro")
    options = [part for mount in mounts for part in ("-v", mount)]
    told = docker.once(variants.edgetpu, "doctor", "--json", options=("--read-only", *options))
    found = {each["name"]: each for each in json.loads(told)["accelerators"]}["edgetpu"]
    assert found["state"] == "ready", found
    assert found["library"] == path
    named = ("-e", "TWITE_ACCELERATOR=edgetpu", "--memory", "256m")
    with docker.running(variants.edgetpu, "--read-only", *options, *named) as container:
        answers_on_an_accelerator(container, "edgetpu")


def compiled_bundle(bundle: Path, folder: Path) -> Path:
    """The bundle with its own model in the place of one that Coral's compiler made."""
    found = load(bundle)
    entry = Companion("edgetpu", "model.edgetpu.tflite", ("edgetpu-custom-op",), "test 1")
    files = {name: (bundle / name).read_bytes() for name in found.manifest.files}
    manifest = found.manifest._replace(companions=(entry,))
    write(folder / "bundle", manifest, files | {entry.model: found.model_path.read_bytes()})
    return folder / "bundle"


def answers_on_an_accelerator(container: Container, name: str) -> None:
    container.wait_until_ready()
    health: dict[str, Any] = {}

    def is_decided() -> bool:
        health.update(json.loads(container.ask("GET", "/readyz")[1])["accelerator"])
        return health["state"] not in ("probing", "restarting")

    wait_for(is_decided, "an accelerator")
    assert health["state"] == "running", health
    assert str(health["name"]).startswith(name)
    status, answer = container.ask("POST", "/predict", b'{"features": [[5.1, 3.5, 0.2]]}')
    assert status == 200, answer
    assert agree(json.loads(answer)["prediction"], [1.5])
    status, metrics = container.ask("GET", "/metrics")
    assert re.search(rb"\ntwite_accelerator_fallbacks_total{[^}]*} 0\n", metrics)


def test_a_mounted_vulkan_driver_is_used(
    variants: Variants, docker: Docker, bundles: Path, tmp_path: Path
) -> None:
    options = ["-v", f"{bundles / 'iris'}:/model:ro", "-e", "TWITE_ACCELERATOR=webgpu"]
    for path, name in software_vulkan(tmp_path).items():
        options += ["-v", f"{path}:/driver/{name}:ro"]
    # The software driver's libraries, which no image has; a GPU's come with it.
    options += ["-e", "VK_DRIVER_FILES=/driver/icd.json", "-e", "LD_LIBRARY_PATH=/driver"]
    hardened = ("--read-only", "--cap-drop", "ALL", "--memory", "1g")
    with docker.running(variants.gpu, *hardened, *options) as container:
        answers_on_an_accelerator(container, "webgpu")


def software_vulkan(folder: Path) -> dict[Path, str]:
    """Mesa's software driver, its manifest and the libraries that it needs, by their names."""
    found = sorted((ROOT / ".venvs/mesa-25").glob("usr/lib/*/libvulkan_lvp.so"))
    if not found:
        how = "`make accelerators` on Debian"
        pytest.skip(f"cannot run here: software Vulkan is not in .venvs/mesa-25; {how}")
    manifest = folder / "icd.json"
    driver = {"api_version": "1.4.305", "library_path": "/driver/libvulkan_lvp.so"}
    manifest.write_text(json.dumps({"file_format_version": "1.0.0", "ICD": driver}))
    environment = {**os.environ, "LD_LIBRARY_PATH": str(found[0].parent)}
    done = subprocess.run(
        ["ldd", str(found[0])], capture_output=True, text=True, check=True, env=environment
    )
    needed = dict(re.findall(r"^\s*(\S+) => (/\S+)", done.stdout, re.M))
    libraries = {
        Path(path).resolve(): name
        for name, path in needed.items()
        if not name.startswith(OF_THE_IMAGE)
    }
    return {manifest: manifest.name, found[0]: found[0].name, **libraries}
