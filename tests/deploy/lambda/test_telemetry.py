"""One JSON line a request: CloudWatch's embedded metric format, and a log entry."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

from emulated import CODE, Function
from events import http

import rie

ROW = {"features": [5.1, 3.5, 0.2]}
REQUESTS, DURATION = "twite_inference_requests_total", "twite_inference_duration_seconds"


def metrics(line: dict[str, Any]) -> dict[str, Any]:
    """The metrics of a line, checked against what CloudWatch wants of it."""
    described = line["_aws"]
    (directive,) = described["CloudWatchMetrics"]
    assert directive["Namespace"] == "Twite"
    assert abs(described["Timestamp"] / 1000 - time()) < 3600
    (dimensions,) = directive["Dimensions"]
    assert all(isinstance(line[name], str) for name in dimensions)
    found = {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}
    assert all(isinstance(number, int | float) for number in found.values())
    return {name: line[name] for name in dimensions} | found


def test_the_lines_are_metrics_and_log_in_one(
    start: Callable[..., Function], bundles: Path
) -> None:
    function = start({"MODEL_PATH": str(bundles / "iris")}, handler="entry.handler")
    function.invoke(ROW)
    function.invoke(http("POST", "/predict", json.dumps(ROW)))
    function.invoke({"features": [1]})
    function.invoke(http("POST", "/nowhere", '"'))
    function.invoke(http("GET", "/livez"))
    ready, first, second, wrong, lost, probe = function.lines()
    version = ready["model_version"]
    names = {"model_name": "iris", "model_version": version}
    assert metrics(ready).keys() == {*names, "twite_model_load_duration_seconds"}
    assert set(ready["init"]) == {"numpy_ms", "engine_ms", "app_ms", "load_ms", "golden_ms"}
    assert ready["accelerator"] == "xnnpack"
    found = metrics(first)
    assert 0 < found.pop(DURATION) < 60
    assert found == {**names, "code": "200", REQUESTS: 1}
    assert [line["cold_start"] for line in (first, second, wrong)] == [True, False, False]
    assert len({line["request_id"] for line in (first, second, wrong, lost)}) == 4
    assert metrics(wrong) == {**names, "code": "400", REQUESTS: 1}
    assert "(1,)" in wrong["error"]
    assert (lost["message"], lost["code"]) == ("POST /nowhere", "404")
    assert "_aws" not in probe
    assert probe["message"] == "GET /livez"


def test_hostile_text_stays_inside_its_field(iris: Function) -> None:
    hostile = '/a"}\n{"_aws":'
    iris.invoke(http("POST", hostile, "{}"))
    assert iris.lines()[-1]["message"] == f"POST {hostile}"


def test_a_restored_snapshot_is_cold_again_and_draws_other_numbers(bundles: Path) -> None:
    script = """
import os, random
os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
import entry, sys
from awslambdaric.lambda_runtime_hooks_runner import run_after_restore, run_before_snapshot
random.seed(1)
run_before_snapshot()
state = random.getstate()
modules = set(sys.modules)
telemetry = entry.handler.__self__.telemetry
telemetry.is_cold = False
run_after_restore()
print(random.getstate() != state, telemetry.is_cold, "mangum" in modules)
"""
    settings = {"MODEL_PATH": str(bundles / "iris"), "PYTHONPATH": CODE}
    command = [str(rie.PYTHON), "-c", script]
    environment = rie.environment(settings)
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.stdout.splitlines()[-1] == "True True True", result.stderr
