"""Everything that is asked for rarely, as a Starlette application.

server/app.py imports it at the first such request: it would cost a third of the server's start.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from twite.encode import encode_error
from twite.scheduler import Scheduler


def make_routes(scheduler: Scheduler, endpoints: dict[tuple[str, str], ASGIApp]) -> Starlette:
    """`/`, the other methods of the endpoints, and an answer for what is not there."""

    async def index(request: Request) -> Response:
        name = scheduler.model.manifest.name if scheduler.model else None
        return JSONResponse({"server": "twite", "status": scheduler.state, "model": name})

    return Starlette(
        routes=[
            *(Route(path, app, methods=[method]) for (method, path), app in endpoints.items()),
            Route("/", index),
        ],
        exception_handlers={HTTPException: _http_error},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    path, method = request.url.path, request.method
    if error.status_code == 404:
        message = f"there is no {path}; POST to /predict, or GET /readyz"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        message = f"{path} does not take {method}; it takes {allowed}"
    else:
        message = error.detail
    headers = dict(error.headers or {})
    return Response(encode_error(message), error.status_code, headers, "application/json")
