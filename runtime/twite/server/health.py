"""`/livez`, `/readyz` and `/healthz`: is the process alive, is the model verified and serving."""

import json

from starlette.types import Receive, Scope, Send

from twite.scheduler import Scheduler
from twite.server.answer import answer


async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """200 for as long as the process answers."""
    await answer(send, 200, b'{"status":"alive"}')


class Ready:
    """503 until the golden samples have passed, and again once the server is stopping."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = {"status": self._scheduler.state}
        if body["status"] != "ready":
            await answer(send, 503, json.dumps(body).encode(), ((b"retry-after", b"1"),))
            return
        manifest = self._scheduler.loaded.manifest
        body |= {"model": manifest.name, "version": manifest.version}
        await answer(send, 200, json.dumps(body).encode())
