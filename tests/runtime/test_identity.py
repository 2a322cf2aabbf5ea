"""Request ids, traceparent and the lines of the log."""

import json
import time
from typing import Any

import httpx
import pytest

ROW = {"features": [[5.1, 3.5, 0.2]]}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PATIENCE_S = 30.0


def lines_of(server: Any, logger: str, count: int) -> list[dict[str, Any]]:
    """The JSON lines of a logger, once there are so many."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        own = [line for line in server.log.splitlines() if f'"logger": "{logger}"' in line]
        if len(own) >= count:
            return [json.loads(line) for line in own]
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)


def test_every_answer_has_an_id_of_its_own(digits: httpx.Client) -> None:
    paths = ("/livez", "/nowhere", "/livez")
    ids = {digits.get(path).headers["x-request-id"] for path in paths}
    assert len(ids) == 3


def test_a_sane_id_is_kept_and_another_is_not(digits: httpx.Client) -> None:
    kept = digits.get("/livez", headers={"x-request-id": "order-7/a:b"})
    assert kept.headers["x-request-id"] == "order-7/a:b"
    for bad in ("", "a b", "ü".encode(), 'a"b', "x" * 129):
        made = digits.get("/livez", headers={"x-request-id": bad})
        assert made.headers["x-request-id"] != bad


def test_a_traceparent_is_passed_on_if_it_is_one(digits: httpx.Client) -> None:
    answer = digits.get("/livez", headers={"traceparent": TRACE})
    assert answer.headers["traceparent"] == TRACE
    zero = "00-" + "0" * 32 + "-00f067aa0ba902b7-01"
    for bad in ("", "nonsense", TRACE.upper(), TRACE.replace("00-", "ff-", 1), zero):
        assert "traceparent" not in digits.get("/livez", headers={"traceparent": bad}).headers


def test_json_lines_say_what_was_asked(serve_iris: Any) -> None:
    with serve_iris("--log-format", "json", "--access-log") as server:
        with httpx.Client(base_url=server.url) as client:
            client.post("/predict", json=ROW, headers={"x-request-id": "a", "traceparent": TRACE})
            client.get("/no%0Awhere", headers={"x-request-id": "b"})
        first, second = lines_of(server, "twite.access", 2)
        assert server.stop() == 0
        for line in server.log.splitlines():
            # LiteRT writes a line of its own.
            assert line.startswith("INFO: ") or json.loads(line)["time"].endswith("Z")
    assert (first["request_id"], first["trace_id"]) == ("a", TRACE.split("-")[1])
    assert (first["method"], first["path"], first["status"]) == ("POST", "/predict", 200)
    assert first["level"] == "info"
    assert first["duration_ms"] > 0
    assert second["path"] == "/no\\nwhere"
    assert second["status"] == 404


def test_plain_lines_only_when_asked(serve_iris: Any) -> None:
    with serve_iris(TWITE_ACCESS_LOG="1") as server:
        httpx.get(server.url + "/livez", headers={"x-request-id": "abc"})
        assert server.stop() == 0
        assert "127.0.0.1 GET /livez 200, 18 bytes in " in server.log
        assert " ms [abc]" in server.log
    with serve_iris() as server:
        httpx.get(server.url + "/livez")
        assert server.stop() == 0
        assert "/livez" not in server.log


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_was_no_request_is_a_line_too(serve_iris: Any, sent: bytes) -> None:
    import socket

    with serve_iris("--access-log", "--log-format", "json") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
            client.sendall(sent)
            client.recv(65536)
        (line,) = lines_of(server, "twite.access", 1)
        assert line["status"] in (400, 505)
