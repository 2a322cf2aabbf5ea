"""The server over real sockets; tests/runtime/conftest.py starts it."""

import io
import json
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

SEVEN = Path(__file__).parents[2] / "examples/digits/seven.png"
ROW = {"features": [[5.1, 3.5, 0.2]]}


def test_reads_a_seven_from_a_form(digits: httpx.Client) -> None:
    answer = digits.post("/predict", files={"image": SEVEN.read_bytes()})
    assert answer.status_code == 200
    assert answer.json()["prediction"][0]["class"] == "7"
    assert answer.json()["prediction"][0]["confidence"] > 0.9


def test_a_raw_body_gets_the_same_answer_as_a_form(digits: httpx.Client) -> None:
    headers = {"content-type": "image/png"}
    raw = digits.post("/predict", content=SEVEN.read_bytes(), headers=headers)
    form = digits.post("/predict", files={"image": SEVEN.read_bytes()})
    assert raw.content == form.content


def test_a_turned_photo_is_read_upright(digits: httpx.Client) -> None:
    picture = Image.open(SEVEN).convert("L").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, exif=exif)
    answer = digits.post("/predict", files={"image": buffer.getvalue()})
    assert answer.json()["prediction"][0]["class"] == "7"


def test_an_npy_body_is_a_batch(digits: httpx.Client) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 28, 28, 1), np.uint8))
    headers = {"content-type": "application/x-npy"}
    answer = digits.post("/predict", content=buffer.getvalue(), headers=headers)
    assert len(answer.json()["prediction"]) == 3


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"content": b"{nonsense", "headers": {"content-type": "application/json"}}, 400, "JSON"),
        ({"content": b"", "headers": {"content-type": "application/json"}}, 400, "empty"),
        ({"content": b"x", "headers": {"content-type": "text/csv"}}, 415, "text/csv"),
        ({"content": b"x"}, 415, "application/json"),
        ({"data": {"features": "1"}}, 415, "with curl, send JSON with --json"),
        ({"files": {"photo": b"x"}}, 400, "photo"),
        ({"files": {"image": b"no picture"}}, 400, "picture"),
        ({"files": {"image": SEVEN.read_bytes()[:120]}}, 400, "truncated"),
        ({"json": {"features": [[1, 2], [3]]}}, 400, "features"),
        ({"json": {"features": "seven"}}, 400, "seven"),
    ],
)
def test_bad_input_is_told_what_was_wanted(
    digits: httpx.Client, request_: dict[str, Any], status: int, message: str
) -> None:
    answer = digits.post("/predict", **request_)
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    assert message in answer.json()["error"]
    assert digits.get("/readyz").status_code == 200


def test_other_paths_and_methods_say_what_there_is(digits: httpx.Client) -> None:
    assert "POST to /predict" in digits.get("/predictions").json()["error"]
    assert digits.get("/predict").status_code == 405
    assert digits.get("/predict").headers["allow"] == "POST"


def test_health_names_the_model(digits: httpx.Client) -> None:
    assert digits.get("/livez").json() == {"status": "alive"}
    for path in ("/readyz", "/healthz"):
        assert digits.get(path).json()["model"] == "digits"


def test_requests_of_many_clients_do_not_mix(digits: httpx.Client) -> None:
    def ask(row: int) -> list[dict[str, Any]]:
        pixels = np.zeros((1, 28, 28, 1), np.uint8)
        pixels[0, row] = 255
        body = {"features": pixels.tolist()} if row % 2 else None
        if body:
            return list(digits.post("/predict", json=body).json()["prediction"][0])
        buffer = io.BytesIO()
        Image.fromarray(pixels[0, :, :, 0]).save(buffer, "PNG")
        files = {"image": buffer.getvalue()}
        return list(digits.post("/predict", files=files).json()["prediction"])

    alone = [ask(row) for row in range(28)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, list(range(28)) * 4))
    assert together == alone * 4


def test_a_body_over_the_limit_is_refused_before_it_is_read(iris: Any) -> None:
    with socket.create_connection(("127.0.0.1", iris.port), timeout=60) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 99999999\r\n\r\n"
        )
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"99999999 bytes; this server takes up to 1000" in answer


def test_a_chunked_body_over_the_limit_is_refused(iris: Any) -> None:
    chunks = (b"[" * 400 for _ in range(10))
    headers = {"content-type": "application/json"}
    answer = httpx.post(iris.url + "/predict", content=chunks, headers=headers, timeout=60)
    assert answer.status_code == 413


def test_a_client_that_leaves_harms_nobody(iris: Any) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", iris.port)) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{")
    assert httpx.post(iris.url + "/predict", json=ROW, timeout=60).status_code == 200
    assert "Traceback" not in iris.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_0(iris: Any, number: int) -> None:
    assert httpx.post(iris.url + "/predict", json=ROW, timeout=60).status_code == 200
    assert iris.stop(number) == 0
    assert "Traceback" not in iris.log


def test_a_request_in_flight_is_answered_after_sigterm(iris: Any) -> None:
    body = b'{"features": [[5.1, 3.5, 0.2]]}'
    with socket.create_connection(("127.0.0.1", iris.port), timeout=60) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        time.sleep(0.2)
        iris.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        client.sendall(body)
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert iris.process.wait(60) == 0


def test_refused_requests_hold_no_memory(serve_iris: Any) -> None:
    body = json.dumps({"features": [0.5] * 250_000}).encode()
    with serve_iris() as server, httpx.Client(base_url=server.url, timeout=60) as client:
        headers = {"content-type": "application/json"}

        def memory_mb() -> float:
            text = client.get("/metrics").text
            found = re.search(r"^process_resident_memory_bytes (\d+)", text, re.M)
            assert found
            return int(found[1]) / 1e6

        def refuse(times: int) -> None:
            for _ in range(times):
                answer = client.post("/predict", content=body, headers=headers)
                assert answer.status_code == 400, answer.text

        refuse(5)
        before_mb = memory_mb()
        refuse(40)
        # Parsed, each takes 12 MB, and no garbage collection is due.
        assert memory_mb() - before_mb < 100
