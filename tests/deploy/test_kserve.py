"""KServe's manifests against the models that KServe publishes of its own API."""

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from containers import ROOT, tool

MODELS = ROOT / ".venvs" / "kserve"
KINDS = {"ServingRuntime": "V1alpha1ServingRuntime", "InferenceService": "V1beta1InferenceService"}
PLAIN = {"str": str, "bool": bool, "int": int, "float": float | int}


class Model(NamedTuple):
    """types of the fields by their names in JSON, and those that must be there."""

    types: dict[str, str]
    required: set[str]


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    command = [tool("kubectl"), "kustomize", str(ROOT / "edge" / "kubernetes" / "kserve")]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(made.stdout)}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    """Read and not imported: the package needs a whole server to be imported."""
    files = sorted(MODELS.glob("lib/python3.*/site-packages/kserve/models/v1*.py"))
    if not files:
        pytest.skip("cannot run here: no models of KServe; make .venvs/kserve/.made")
    return {name: model for file in files for name, model in read_models(file.read_text())}


def read_models(source: str) -> Iterator[tuple[str, Model]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            found = {
                target.id: ast.literal_eval(each.value)
                for each in node.body
                if isinstance(each, ast.Assign) and isinstance(each.value, ast.Dict)
                for target in each.targets
                if isinstance(target, ast.Name)
            }
            if {"openapi_types", "attribute_map"} <= found.keys():
                names = found["attribute_map"]
                types = {names[key]: kind for key, kind in found["openapi_types"].items()}
                text = ast.get_source_segment(source, node) or ""
                required = set(re.findall(r"for `(\w+)`, must not be `None`", text))
                yield node.name, Model(types, {names[key] for key in required})


def problems(value: object, kind: str, models: dict[str, Model], where: str) -> Iterator[str]:
    """What is wrong with a value of a manifest; types of Kubernetes itself are not looked into."""
    if listed := re.fullmatch(r"list\[(.*)\]", kind):
        if not isinstance(value, list):
            yield f"{where} is {value!r}; it is a list"
            return
        for i, each in enumerate(value):
            yield from problems(each, listed[1], models, f"{where}[{i}]")
    elif kind in PLAIN and not isinstance(value, PLAIN[kind]):
        yield f"{where} is {value!r}; it is {kind}"
    elif kind in models:
        model = models[kind]
        if not isinstance(value, dict):
            yield f"{where} is {value!r}; it is {kind}"
            return
        yield from (f"{where} has no {name}" for name in sorted(model.required - value.keys()))
        for name, each in value.items():
            if name in model.types:
                yield from problems(each, model.types[name], models, f"{where}.{name}")
            else:
                yield f"{where} has the unknown field {name}"


@pytest.mark.parametrize("kind", KINDS)
def test_kserve_knows_every_field(
    kind: str, manifests: dict[str, dict[str, Any]], models: dict[str, Model]
) -> None:
    assert list(problems(manifests[kind], KINDS[kind], models, kind)) == []


def test_a_wrong_field_would_be_found(
    manifests: dict[str, dict[str, Any]], models: dict[str, Model]
) -> None:
    spec = {**manifests["ServingRuntime"]["spec"], "multimodel": False, "replicas": "one"}
    del spec["containers"]
    found = list(problems({"spec": spec}, KINDS["ServingRuntime"], models, "runtime"))
    assert found == [
        "runtime.spec has no containers",
        "runtime.spec has the unknown field multimodel",
        "runtime.spec.replicas is 'one'; it is int",
    ]


def test_kubernetes_knows_the_container_of_the_runtime(
    manifests: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    pod = {"containers": manifests["ServingRuntime"]["spec"]["containers"]}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "twite"}, "spec": pod}
    file = tmp_path / "pod.yaml"
    file.write_text(json.dumps(document))
    command = [tool("kubernetes-validate"), "--strict", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_runtimes_arguments_serve_a_bundle_under_its_service_name(
    manifests: dict[str, dict[str, Any]], bundles: Path, tmp_path: Path
) -> None:
    (container,) = manifests["ServingRuntime"]["spec"]["containers"]
    name = manifests["InferenceService"]["metadata"]["name"] + "-of-kserve"
    # KServe fills in the name and mounts the bundle; the port is any that is free here.
    changes = {"{{.Name}}": name, "/mnt/models": str(bundles / "iris"), "=8080": "=0"}
    arguments = list(container["args"])
    for old, new in changes.items():
        arguments = [each.replace(old, new) for each in arguments]
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "twite", *arguments], stderr=stderr)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"on (http://[^ ,]+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        answer = httpx.get(f"{found[1]}/v2/models/{name}", timeout=60)
        assert answer.json()["name"] == name, answer.text
    finally:
        process.kill()
        process.wait()


def test_kserve_finds_the_runtime_of_its_service(manifests: dict[str, dict[str, Any]]) -> None:
    runtime, service = manifests["ServingRuntime"], manifests["InferenceService"]
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    formats = [each["name"] for each in runtime["spec"]["supportedModelFormats"]]
    assert model["modelFormat"]["name"] in formats
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    # KServe looks for a container of this name.
    assert [each["name"] for each in runtime["spec"]["containers"]] == ["kserve-container"]
