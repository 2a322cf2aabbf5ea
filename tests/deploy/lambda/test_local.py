"""The HTTP front of the emulator: any request in, its event, the answer back."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import httpx
import pytest
from emulated import ROOT

import rie
from local import to_event, to_response

SEVEN = (ROOT / "examples" / "digits" / "seven.png").read_bytes()


@contextmanager
def front(bundle: Path, log: Path) -> Iterator[tuple[httpx.Client, "subprocess.Popen[bytes]"]]:
    (port,) = rie.free_ports(1)
    command = [sys.executable, ROOT / "lambda" / "local.py", bundle, "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "runtime")}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True
        )
        try:
            rie.wait_for_port(port, process)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield client, process
        finally:
            process.terminate()
            try:
                process.wait(30)
            finally:
                rie.end(process)


@pytest.fixture(scope="module")
def digits_front(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with front(bundles / "digits", tmp_path_factory.mktemp("front") / "log") as (client, _):
        yield client


def test_a_picture_of_a_form_reaches_the_function_whole(digits_front: httpx.Client) -> None:
    answer = digits_front.post("/predict", files={"image": ("seven.png", SEVEN, "image/png")})
    assert answer.status_code == 200
    assert answer.json()["prediction"][0]["class"] == "7"


def test_json_errors_and_methods_come_back(digits_front: httpx.Client) -> None:
    wrong = digits_front.post("/predict", json={"features": [1, 2]})
    assert (wrong.status_code, "(28, 28, 1)" in wrong.json()["error"]) == (400, True)
    refused = digits_front.delete("/predict")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert digits_front.get("/readyz?verbose=1").json()["status"] == "ready"
    assert digits_front.head("/livez").content == b""


def test_a_chunked_body_is_put_together(digits_front: httpx.Client) -> None:
    chunks = (SEVEN[i : i + 100] for i in range(0, len(SEVEN), 100))
    answer = digits_front.post("/predict", content=chunks, headers={"content-type": "image/png"})
    assert answer.json()["prediction"][0]["class"] == "7"


def test_what_lambda_would_not_carry_is_a_413(digits_front: httpx.Client) -> None:
    headers = {"content-type": "image/png"}
    answer = digits_front.post("/predict", content=bytes(5_000_000), headers=headers)
    assert answer.status_code == 413
    assert "6291456" in answer.json()["error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_front_and_the_function(
    number: int, bundles: Path, tmp_path: Path
) -> None:
    with front(bundles / "iris", tmp_path / "log") as (client, process):
        answer = client.post("/predict", json={"features": [5.1, 3.5, 0.2]})
        assert answer.json() == {"prediction": 1.4}
        emulator = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        started = [pid for parent in emulator for pid in (parent, *children(parent))]
        assert len(started) >= 2
        process.send_signal(number)
        assert process.wait(30) == 130
        deadline = monotonic() + 30
        while any(map(is_alive, started)) and monotonic() < deadline:
            signal.sigtimedwait([], 0.05)
        assert [pid for pid in started if is_alive(pid)] == []


def children(parent: str) -> list[str]:
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [pid for task in tasks for pid in task.read_text().split()]


def is_alive(pid: str) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_port_that_is_taken_and_a_bundle_that_is_none_say_what_to_do(
    bundles: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = local(str(bundles / "iris"), "--port", port)
    assert (result.returncode, result.stdout) == (2, "")
    assert "make lambda-local PORT=8081" in result.stderr
    result = local(str(tmp_path))
    assert "is no bundle" in result.stderr


def local(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "lambda" / "local.py"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "runtime")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_an_event_has_cookies_query_and_lower_case_headers() -> None:
    headers = {"Content-Type": "text/plain", "Cookie": "a=1; b=2", "X-One": "1"}
    event = to_event("POST", "/a%20b?c=d&c=e", headers, "é".encode(), "127.0.0.1")
    assert (event["rawPath"], event["rawQueryString"]) == ("/a%20b", "c=d&c=e")
    assert event["requestContext"]["http"]["path"] == "/a b"
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"] == {"content-type": "text/plain", "x-one": "1"}
    assert (event["body"], event["isBase64Encoded"]) == ("é", False)


def test_a_text_that_is_none_travels_as_base64() -> None:
    event = to_event("POST", "/", {"content-type": "application/json"}, b"\xff\x00", "127.0.0.1")
    assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)


def test_responses_follow_the_rules_of_an_http_api() -> None:
    whole = {"statusCode": 201, "headers": {"a": "b"}, "cookies": ["c=1", "d=2"]}
    response = to_response({**whole, "body": "AAH/", "isBase64Encoded": True})
    assert response.headers == [("a", "b"), ("set-cookie", "c=1"), ("set-cookie", "d=2")]
    assert (response.status, response.body) == (201, b"\x00\x01\xff")
    assert to_response({"prediction": 1.4}).body == b'{"prediction": 1.4}'
    failed = to_response({"errorType": "Runtime.ExitError", "errorMessage": "gone"})
    assert (failed.status, b"Runtime.ExitError: gone" in failed.body) == (502, True)
