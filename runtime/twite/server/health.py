"""Is the process alive, are the models verified and serving: in the words of two dialects.

`/livez`, `/readyz` and `/healthz` are what probes ask for; `/v2/health/…` is the Open Inference
Protocol's.
"""

import json

from twite.repository import Repository, Served
from twite.server.exchange import Answer, Endpoint, Request

RETRY = (("retry-after", "1"),)


def health_endpoints(repository: Repository) -> dict[tuple[str, str], Endpoint]:
    """Readiness is 503 until every golden sample has passed, and again once the server stops."""

    async def live(request: Request) -> Answer:
        return Answer(200, b'{"status":"alive"}')

    async def ready(request: Request) -> Answer:
        body: dict[str, object] = {"status": repository.state}
        if repository.state != "ready":
            return Answer(503, json.dumps(body).encode(), headers=RETRY)
        models = [_entry(each) for each in repository.models]
        body |= models[0] if len(models) == 1 else {"models": models}
        return Answer(200, json.dumps(body).encode())

    async def oip_live(request: Request) -> Answer:
        return Answer(200, b'{"live":true}')

    async def oip_ready(request: Request) -> Answer:
        if repository.state != "ready":
            return Answer(503, b'{"ready":false}', headers=RETRY)
        return Answer(200, b'{"ready":true}')

    return {
        ("GET", "/livez"): live,
        ("GET", "/readyz"): ready,
        ("GET", "/healthz"): ready,
        ("GET", "/v2/health/live"): oip_live,
        ("GET", "/v2/health/ready"): oip_ready,
    }


def _entry(served: Served) -> dict[str, object]:
    entry: dict[str, object] = {"model": served.name, "version": served.version}
    status = served.model.engine.status()
    return entry | {"accelerator": status.table()} if status else entry
