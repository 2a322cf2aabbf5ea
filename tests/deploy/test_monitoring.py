"""Prometheus understands its configuration, and every panel of the dashboard shows something."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "edge" / "monitoring"
ROW = {"features": [[5.1, 3.5, 0.2]]}
PATIENCE_S = 120.0
SENSORS = ("twite_temperature_celsius", "twite_processor_frequency_ratio")
"""What only a machine with sensors has."""


def program(name: str) -> str:
    unpacked = ROOT / ".docker" / "root" / "usr" / "bin" / name
    found = str(unpacked) if unpacked.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"cannot run here: no {name}; tools/docker.sh start, or apt install prometheus")
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return found


def expressions() -> dict[str, set[str]]:
    """Every question of the dashboard, and the labels that its legend shows."""
    return {
        target["expr"]: set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        for panel in panels()
        for target in panel["targets"]
    }


def asked(expression: str) -> str:
    """As Grafana asks with every instance chosen."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".+")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answer(url: str, **parameters: str) -> Any:
    try:
        found = httpx.get(url, params=parameters, timeout=PATIENCE_S)
    except httpx.TransportError:
        return None
    return found.json() if found.status_code == 200 else None


def wait_for(condition: Callable[[], Any], log: Path) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def iris(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the iris bundle."""
    log, address = tmp_path_factory.mktemp("iris") / "log", f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "twite", "serve", str(bundles / "iris")]
    with log.open("wb") as stderr:
        port = address.partition(":")[2]
        process = subprocess.Popen([*command, "--port", port], stderr=stderr)
    try:
        wait_for(lambda: answer(f"http://{address}/readyz"), log)
        yield address
    finally:
        process.kill()
        process.wait()


def test_prometheus_understands_its_configuration() -> None:
    command = [program("promtool"), "check", "config", str(MONITORING / "prometheus.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_finds_the_metrics_well_made(iris: str) -> None:
    httpx.post(f"http://{iris}/predict", json=ROW, timeout=60)
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=httpx.get(f"http://{iris}/metrics", timeout=60).content,
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_every_panel_shows_something(iris: str, tmp_path: Path) -> None:
    configuration = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())
    configuration["global"]["scrape_interval"] = "1s"
    configuration["scrape_configs"][0]["static_configs"] = [{"targets": [iris]}]
    (tmp_path / "prometheus.json").write_text(json.dumps(configuration))
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        f"--config.file={tmp_path / 'prometheus.json'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={url.partition('//')[2]}",
    ]
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr)

    def ask(expression: str) -> list[dict[str, Any]]:
        httpx.post(f"http://{iris}/predict", json=ROW, timeout=60)
        found = answer(f"{url}/api/v1/query", query=asked(expression))
        return found["data"]["result"] if found else []

    try:
        for expression, labels in expressions().items():
            if expression.startswith(SENSORS):
                continue
            found = wait_for(lambda asking=expression: ask(asking), log)
            assert all(labels <= each["metric"].keys() for each in found), expression
        assert wait_for(lambda: ask(metric_of_the_instances()), log)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def metric_of_the_instances() -> str:
    """The metric in which the dashboard looks for the servers that one may choose."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    (variable,) = dashboard["templating"]["list"]
    return re.fullmatch(r"label_values\((\w+), instance\)", variable["query"])[1]  # type: ignore[index]


def test_the_dashboard_asks_for_metrics_of_twite() -> None:
    asked_for = {
        name for text in expressions() for name in re.findall(r"\b((?:twite|process)_\w+)", text)
    }
    code = "".join(path.read_text() for path in (ROOT / "runtime" / "twite").rglob("*.py"))
    unknown = {name for name in asked_for if re.sub("_bucket$", "", name) not in code}
    assert unknown == set()
    source = yaml.safe_load((MONITORING / "grafana-datasource.yaml").read_text())
    (uid,) = [each["uid"] for each in source["datasources"]]
    assert {panel["datasource"]["uid"] for panel in panels()} == {uid}
