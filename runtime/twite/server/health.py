"""`/livez`, `/readyz` and `/healthz`: is the process alive, is the model verified and serving."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twite.scheduler import Scheduler


def health_routes(scheduler: Scheduler) -> list[Route]:
    """Liveness is 200 as long as the process answers; readiness 503 until and after serving."""

    async def live(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> Response:
        model = scheduler.model
        if scheduler.state != "ready" or model is None:
            return JSONResponse({"status": scheduler.state}, 503, {"retry-after": "1"})
        manifest = model.manifest
        return JSONResponse(
            {"status": "ready", "model": manifest.name, "version": manifest.version}
        )

    return [Route("/livez", live), Route("/readyz", ready), Route("/healthz", ready)]
