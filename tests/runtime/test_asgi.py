"""The same application behind an ASGI server, as mangum and uvicorn carry it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from twite.repository import Repository
from twite.server.app import make_app
from twite.server.asgi import make_asgi

ROW = {"features": [[5.1, 3.5, 0.2]]}


@pytest.fixture(scope="module")
def app(bundles: Path) -> Iterator[Any]:
    repository = Repository()
    repository.load([bundles / "iris"])
    yield make_asgi(make_app(repository), 1000)
    repository.close()


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, **options)

    return asyncio.run(answer())


def test_a_prediction_is_the_one_of_our_own_server(app: Any) -> None:
    answer = ask(app, "POST", "/predict", json=ROW, headers={"x-request-id": "a"})
    assert answer.content == b'{"prediction":[1.5]}'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == "a"


def test_head_asks_as_get_does(app: Any) -> None:
    assert ask(app, "HEAD", "/readyz").status_code == 200


def test_a_body_over_the_limit_is_refused(app: Any) -> None:
    answer = ask(app, "POST", "/predict", content=b"x" * 1001)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_a_client_that_leaves_gets_nothing(app: Any) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(app(scope, receive, send))
    assert sent == []
