"""What edge/ says to compose, systemd and Kubernetes is what they understand."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EDGE = ROOT / "edge"
TOOLS = ROOT / ".venvs" / "containers" / "bin"
OVERRIDES = ["", "edgetpu", "gpu", "jetson", "monitoring"]
KUSTOMIZED = ["base", "overlays/daemonset", "overlays/edgetpu", "overlays/gpu", "overlays/jetson"]
MOST_EXPOSURE = 2.0


def tool(name: str) -> str:
    if not (TOOLS / name).exists():
        pytest.skip(f"cannot run here: no {name}; make .venvs/containers/.made")
    return str(TOOLS / name)


def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=120)


def compose() -> list[str]:
    """The command `docker compose`, the machine's own or the unpacked one; it needs no daemon."""
    unpacked = ROOT / ".docker" / "root" / "usr" / "bin" / "docker-compose"
    if unpacked.exists():
        return [str(unpacked)]
    if shutil.which("docker") and run("docker", "compose", "version").returncode == 0:
        return ["docker", "compose"]
    pytest.skip("cannot run here: no docker compose; tools/docker.sh start")


@pytest.mark.parametrize("override", OVERRIDES)
def test_compose_understands_its_files(override: str) -> None:
    files = ["compose.yaml", *([f"compose.{override}.yaml"] if override else [])]
    arguments = [part for file in files for part in ("--file", str(EDGE / file))]
    done = run(*compose(), *arguments, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    service = json.loads(done.stdout)["services"]["twite"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "65532:65532"


def test_systemd_understands_the_service_and_finds_it_closed(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("cannot run here: no systemd-analyze; apt install systemd")
    # The program is not installed here; everything else is checked as it is.
    text = (EDGE / "twite.service").read_text().replace("/opt/twite/venv/bin/twite", "/bin/true")
    unit = tmp_path / "twite.service"
    unit.write_text(text)
    verified = run("systemd-analyze", "verify", "--man=no", str(unit))
    assert verified.returncode == 0, verified.stderr
    assert verified.stderr == ""
    rated = run("systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit))
    exposure = re.search(r"exposure level for twite.service: ([\d.]+)", rated.stdout)
    assert exposure, rated.stdout + rated.stderr
    assert float(exposure[1]) <= MOST_EXPOSURE


@pytest.mark.parametrize("folder", KUSTOMIZED)
def test_kubernetes_understands_its_manifests(folder: str, tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    made = run(tool("kubectl"), "kustomize", str(EDGE / "kubernetes" / folder))
    assert made.returncode == 0, made.stderr
    file.write_text(made.stdout)
    checked = run(tool("kubernetes-validate"), "--strict", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for document in yaml.safe_load_all(made.stdout):
        if document["kind"] in ("Deployment", "DaemonSet"):
            check_pod(document["spec"])


def check_pod(spec: dict[str, Any]) -> None:
    """The selector finds the pods, which have limits, probes and no way to write."""
    template = spec["template"]
    assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    assert container["image"].startswith("twite/edge")
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def installed(root: Path) -> Path:
    """/opt/twite below root with an environment: making one is pip's work, not the script's."""
    twite = root / "opt/twite/venv/bin/twite"
    twite.parent.mkdir(parents=True)
    twite.write_text("#!/bin/sh\n")
    twite.chmod(0o755)
    return root / "opt/twite"


def test_install_makes_a_service_and_exchanges_its_model(tmp_path: Path, bundles: Path) -> None:
    place = installed(tmp_path)
    # The second time it is the same bundle, in another folder: the old one may be damaged.
    for name in ("iris", "digits", "digits"):
        done = run(str(EDGE / "install.sh"), str(bundles / name), ROOT=str(tmp_path))
        assert done.returncode == 0, done.stderr
        manifest = json.loads((place / "model/bundle.json").read_text())
        assert manifest["name"] == name
    assert len(list(place.glob("bundle-*"))) == 1
    assert (tmp_path / "etc/systemd/system/twite.service").exists()
    refused = run(str(EDGE / "install.sh"), str(tmp_path), ROOT=str(tmp_path))
    assert refused.returncode == 1
    assert "is no bundle" in refused.stderr


def test_a_bundle_that_does_not_fit_leaves_the_installed_one(
    tmp_path: Path, bundles: Path, on_a_full_disk: tuple[Path, Callable[..., list[str]]]
) -> None:
    _, wrap = on_a_full_disk
    place = installed(tmp_path / "before")
    install, before = str(EDGE / "install.sh"), {"ROOT": str(tmp_path / "before")}
    assert run(install, str(bundles / "iris"), **before).returncode == 0
    names = {path.name for path in place.iterdir()}
    # Room for some of the files.
    script = 'ROOT=$PWD "$1" "$2"; echo "exit $?"; ls -A opt/twite; cat opt/twite/model/bundle.json'
    command = wrap("bash", "-c", script, "swap", install, str(bundles / "digits"), free_kib=24)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    code, *found = done.stdout.partition("{")[0].splitlines()
    assert code == "exit 1", done.stdout
    assert set(found) == names
    assert json.loads("{" + done.stdout.partition("{")[2])["name"] == "iris"
    assert done.stderr.count("\n") == 1
    assert "digits was not installed, what was there stays: cp: error" in done.stderr
    assert "No space left on device" in done.stderr
