"""Every dialect over one application, in this process, with models of many kinds."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from twite.repository import Repository
from twite.server.app import make_app
from twite.server.exchange import Answer, Request

Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def repository(bundles: Path, wire_bundles: list[Path]) -> Iterator[Repository]:
    repository = Repository()
    repository.load([bundles / "iris", bundles / "digits", *wire_bundles])
    yield repository
    repository.close()


@pytest.fixture(scope="session")
def together(repository: Repository) -> Iterator[Callable[..., list[Answer]]]:
    """Answer several requests at once; a pool hands its answers to one event loop."""
    app, loop = make_app(repository), asyncio.new_event_loop()

    async def answer_all(requests: tuple[Request, ...]) -> list[Answer]:
        return await asyncio.gather(*(app(request) for request in requests))

    yield lambda *requests: loop.run_until_complete(answer_all(requests))
    loop.close()


@pytest.fixture(scope="session")
def ask(together: Callable[..., list[Answer]]) -> Ask:
    """ask(METHOD, PATH, body, headers, query); a body that is no bytes is sent as JSON."""

    def ask(
        method: str,
        path: str,
        body: object = b"",
        headers: dict[str, str] | None = None,
        query: str = "",
    ) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"} if headers is None else headers
        (answer,) = together(Request(method, path, sent, content, query))
        return answer

    return ask
