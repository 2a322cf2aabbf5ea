"""API keys and origins: off by default, and what they let through when they are on."""

import asyncio
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from twite.errors import UsageError
from twite.repository import Repository
from twite.server.app import make_app
from twite.server.exchange import Answer, Request
from twite.settings import Settings, read_settings

KEYS = ("first-key", "zweiter-schlüssel")


def ask(settings: Settings, method: str, path: str, **headers: str) -> Answer:
    """The answer of a server that is still loading: 503 is what lies behind the key."""
    app = make_app(Repository(), settings)
    named = {name.replace("_", "-"): text for name, text in headers.items()}

    async def answer() -> Answer:
        return await app(Request(method, path, named))

    return asyncio.run(answer())


def test_without_a_key_nobody_is_asked_for_one() -> None:
    assert ask(Settings(), "POST", "/predict").status == 503


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer  first-key"},
        {"x_api_key": "first-key"},
        {"x_api_key": KEYS[1].encode().decode("latin-1")},
    ],
)
def test_each_key_opens_in_either_header(headers: dict[str, str]) -> None:
    assert ask(Settings(api_keys=KEYS), "POST", "/predict", **headers).status == 503


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer first-ke"},
        {"authorization": "Bearer first-key-and-more"},
        {"authorization": "Basic first-key"},
        {"authorization": "Bearer"},
        {"x_api_key": ""},
    ],
)
def test_without_a_right_key_the_answer_is_401(headers: dict[str, str]) -> None:
    for path in ("/predict", "/nowhere", "/metrics"):
        answer = ask(Settings(api_keys=KEYS), "POST", path, **headers)
        assert answer.status == 401
        assert ("www-authenticate", "Bearer") in answer.headers
        assert b"first-key" not in answer.body


def test_probes_need_no_key() -> None:
    for path, status in (("/livez", 200), ("/readyz", 503), ("/healthz", 503)):
        assert ask(Settings(api_keys=KEYS), "GET", path).status == status


def test_a_listed_origin_may_read_the_answer_even_of_an_error() -> None:
    settings = Settings(cors_origins=("https://a.example",), api_keys=KEYS)
    answer = ask(settings, "POST", "/predict", origin="https://a.example")
    assert answer.status == 401
    assert dict(answer.headers)["access-control-allow-origin"] == "https://a.example"
    assert dict(answer.headers)["vary"] == "origin"
    other = ask(settings, "POST", "/predict", origin="https://b.example")
    assert "access-control-allow-origin" not in dict(other.headers)


def test_a_preflight_is_answered_without_a_key() -> None:
    settings = Settings(cors_origins=("*",), api_keys=KEYS)
    answer = ask(
        settings,
        "OPTIONS",
        "/predict",
        origin="https://a.example",
        access_control_request_method="POST",
        access_control_request_headers="content-type, x-api-key",
    )
    headers = dict(answer.headers)
    assert answer.status == 204
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-headers"] == "content-type, x-api-key"
    assert "POST" in headers["access-control-allow-methods"]


def test_keys_come_from_the_environment_or_a_file(serve_iris: Any, tmp_path: Path) -> None:
    assert read_settings({"TWITE_API_KEY": "a, b"}).api_keys == ("a", "b")
    assert read_settings({"TWITE_CORS_ORIGINS": "*"}).cors_origins == ("*",)
    file = tmp_path / "keys"
    file.write_text("old\nnew\n")
    with (
        serve_iris("--api-key-file", str(file), TWITE_CORS_ORIGINS="https://a.example") as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        row, origin = {"features": [5.1, 3.5, 0.2]}, {"origin": "https://a.example"}
        assert client.post("/predict", json=row).status_code == 401
        answer = client.post("/predict", json=row, headers={"x-api-key": "new", **origin})
        assert answer.json() == {"prediction": 1.5}
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        asked = {**origin, "access-control-request-method": "POST"}
        preflight = client.options("/predict", headers=asked)
        assert (preflight.status_code, preflight.content) == (204, b"")
        assert "content-length" not in preflight.headers


@pytest.mark.parametrize("length", ["content-length: 5000000", "transfer-encoding: chunked"])
def test_a_long_body_without_a_key_is_refused_before_it_is_sent(
    serve_iris: Any, length: str
) -> None:
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\n{length}\r\nexpect: 100-continue\r\n"
    with serve_iris(TWITE_API_KEY="right") as server:
        refused = head_of_answer(server.url, head)
        assert refused.startswith(b"HTTP/1.1 401 ")
        assert b"www-authenticate: Bearer\r\n" in refused
        admitted = head_of_answer(server.url, f"{head}x-api-key: right\r\n")
        assert admitted.startswith(b"HTTP/1.1 100 ")


def head_of_answer(url: str, head: str) -> bytes:
    """What comes first for a request whose body is never sent."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as client:
        client.sendall(f"{head}\r\n".encode())
        return client.recv(65536)


def test_an_empty_file_of_keys_is_refused(tmp_path: Path) -> None:
    from twite.commands.serve import read_keys

    file = tmp_path / "keys"
    file.write_text("\n")
    with pytest.raises(UsageError, match="holds no API key"):
        read_keys(file)


@pytest.mark.parametrize("origin", ["a.example", "https://a.example/", "https://*.example", "null"])
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="CORS_ORIGINS"):
        read_settings({"TWITE_CORS_ORIGINS": origin})
