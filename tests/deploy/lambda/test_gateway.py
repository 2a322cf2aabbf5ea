"""The direct path for events of payload 2.0 gives what mangum gives, byte for byte."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from emulated import CODE, HERE
from events import http

import rie

SEVEN = (HERE.parents[2] / "examples" / "digits" / "seven.png").read_bytes()
ROW = json.dumps({"features": [5.1, 3.5, 0.2]})


def both_ways(events: list[dict[str, Any]], bundle: Path) -> list[tuple[Any, Any]]:
    settings = {"MODEL_PATH": str(bundle), "PYTHONPATH": CODE}
    result = subprocess.run(
        [rie.PYTHON, HERE / "both_ways.py"],
        input=json.dumps(events),
        env=rie.environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    pairs: list[tuple[Any, Any]] = json.loads(result.stderr.splitlines()[-1])
    return pairs


def with_cookie(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"cookies": ["a=1", "b=2"]}


@pytest.mark.parametrize(
    ("name", "events"),
    [
        (
            "iris",
            [
                http("POST", "/predict", ROW),
                http("POST", "/predict", ROW.encode()),
                http("POST", "/predict", ROW, "application/json; charset=utf-8"),
                http("POST", "/predict", ROW, "text/plain"),
                http("POST", "/predict", ROW, ""),
                http("POST", "/predict", ""),
                http("POST", "/predict", "{"),
                http("POST", "/predict", '{"features": "é"}'),
                http("POST", "/predict", '{"features": [1]}'),
                http("POST", "/%70redict", ROW),
                http("GET", "/livez"),
                http("GET", "/readyz"),
                http("GET", "/healthz"),
                with_cookie(http("POST", "/predict", ROW)),
                http("POST", "/predict", ROW, traceparent="00-0-0-00"),
            ],
        ),
        (
            "digits",
            [
                http("POST", "/predict", SEVEN, "image/png"),
                http("POST", "/predict", SEVEN[:100], "image/png"),
                http("POST", "/predict", SEVEN, "image/tiff"),
            ],
        ),
    ],
    ids=["iris", "digits"],
)
def test_the_direct_path_answers_as_mangum_does(
    name: str, events: list[dict[str, Any]], bundles: Path
) -> None:
    for event, (direct, through) in zip(events, both_ways(events, bundles / name), strict=True):
        assert json.dumps(direct) == json.dumps(through), event
        assert list(direct) == list(through)
        assert direct["statusCode"] in (200, 400, 415)


def test_the_trace_of_lambda_becomes_a_traceparent(monkeypatch: pytest.MonkeyPatch) -> None:
    from tracing import traceparent

    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    wanted = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
    monkeypatch.setitem(os.environ, "_X_AMZN_TRACE_ID", trace)
    assert traceparent() == wanted
    monkeypatch.delitem(os.environ, "_X_AMZN_TRACE_ID")
    assert traceparent(trace.replace("Sampled=1", "Sampled=0")) == wanted[:-1] + "0"
    assert traceparent("Root=1-2;Parent=3") is None
    assert traceparent() is None
