"""`twite bench`, `twite health` and `twite predict --url`, as processes."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from twite.benchmark import bar, board, histogram, summary

DIGITS = Path(__file__).parent / "bundles" / "digits"


def twite(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twite", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def features(folder: Path) -> Path:
    path = folder / "picture.json"
    path.write_text(json.dumps({"features": [[[0]] * 28] * 28}))
    return path


def test_a_report_says_what_ran_where_and_how_fast(tmp_path: Path) -> None:
    done = twite("bench", str(DIGITS), "--seconds", "0.2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    latency = report["latency_ms"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
    assert report["model"] == "digits"
    assert report["engine"].startswith("ai-edge-litert ")
    assert report["xnnpack"] is True
    assert {"board", "architecture", "processors"} <= set(report["machine"])
    assert report["threads"] >= 1
    assert report["accelerator"] is None
    sensors = {"temperature_c", "throttled_events", "frequency", "held_back"}
    assert set(report["before"]) == set(report["after"]) == sensors
    file = tmp_path / "a.json"
    file.write_text(done.stdout)
    compared = twite("bench", "--compare", str(file), str(file))
    assert compared.stdout.count("1.00") == 6, compared


def test_a_person_gets_a_histogram() -> None:
    done = twite("bench", str(DIGITS), "--seconds", "0.2")
    for word in ("min", "p50", "p90", "p95", "p99", "max", "threads", "accelerator none"):
        assert word in done.stdout
    assert "latency ms" in done.stdout
    assert "heat before" in done.stdout
    assert "█" in done.stdout
    assert "heat after" in done.stdout


def test_a_server_is_measured_and_asked(digits: httpx.Client, tmp_path: Path) -> None:
    url, file = str(digits.base_url), str(features(tmp_path))
    answered = twite("predict", "--url", url, file)
    assert answered.returncode == 0, answered.stderr
    assert "prediction" in json.loads(answered.stdout)
    measured = twite("bench", url, file, "--seconds", "0.2", "--json")
    assert json.loads(measured.stdout)["runs"] >= 10


def test_health_is_what_readiness_says(digits: httpx.Client) -> None:
    port = str(digits.base_url.port)
    done = twite("health", "--port", port)
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ready"
    refused = twite("health", "--host", "127.0.0.2", "--port", "1")
    assert refused.returncode == 1
    assert "nothing answers on 127.0.0.2:1" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench"], "name a bundle's folder or a server's URL"),
        (["bench", "http://127.0.0.1:1"], "name a file after the URL"),
        (["bench", "x", "--seconds", "0"], "--seconds is 0"),
        (["bench", "--compare", __file__, __file__], "no report of"),
        (["predict", "--url", "ftp://x", "a.json"], "no URL of a server"),
        (["predict", "--url", "http://127.0.0.1:1"], "name a bundle and files"),
    ],
)
def test_says_what_is_missing(arguments: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    command = [sys.executable, "-m", "twite", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = twite("predict", "--url", "http://127.0.0.1:1", str(features(tmp_path)))
    assert done.returncode == 1
    assert "http://127.0.0.1:1 does not answer" in done.stderr


def test_percentiles_are_of_the_nearest_rank() -> None:
    report = summary([n / 1000 for n in range(1, 101)])
    assert [round(report["latency_ms"][f"p{p}"]) for p in (50, 90, 95, 99)] == [50, 90, 95, 99]
    assert sum(each["runs"] for each in report["histogram"]) == 100


def test_equal_runs_make_one_bar() -> None:
    assert [each["runs"] for each in histogram([1.0] * 4)] == [4, *[0] * 9]
    assert bar(1.0, 2) == "██"
    assert bar(0.0) == ""


def test_a_board_has_the_name_of_its_device_tree(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text("Raspberry Pi 4 Model B Rev 1.5\0")
    assert board(tmp_path) == "Raspberry Pi 4 Model B Rev 1.5"
