"""The Starlette application: routes, and the one place where an error becomes an answer."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from twite.encode import encode_error
from twite.errors import BodyTooLarge, NotReady, TwiteError
from twite.scheduler import Scheduler
from twite.server.health import health_routes
from twite.server.predict import Predict

log = logging.getLogger("twite")


def make_app(scheduler: Scheduler, max_body_bytes: int) -> ASGIApp:
    """The application for one scheduler, whose model may still be loading.

    A prediction goes past Starlette's middleware and router, which cost more than a small model.
    """
    predict = Predict(scheduler, max_body_bytes)
    others = _make_routes(scheduler, predict)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/predict" or scope["method"] != "POST":
            await others(scope, receive, send)
            return
        try:
            await predict(scope, receive, send)
        except TwiteError as error:
            await _twite_error(error)(scope, receive, send)
        except Exception:
            log.exception("an error in /predict")
            await _unexpected_error()(scope, receive, send)

    return app


def _make_routes(scheduler: Scheduler, predict: Predict) -> Starlette:

    async def index(request: Request) -> Response:
        model = scheduler.model
        name = model.manifest.name if model else None
        return JSONResponse({"server": "twite", "status": scheduler.state, "model": name})

    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            *health_routes(scheduler),
            Route("/", index),
        ],
        exception_handlers={HTTPException: _http_error},
    )


def _answer(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(encode_error(message), status, headers, "application/json")


def _twite_error(error: TwiteError) -> Response:
    headers = {}
    if isinstance(error, NotReady):
        headers["retry-after"] = "1"
    if isinstance(error, BodyTooLarge):
        # The rest of the body is not read, so the connection cannot be used again.
        headers["connection"] = "close"
    return _answer(error.status, str(error), headers)


async def _http_error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    path, method = request.url.path, request.method
    if status == 404:
        message = f"there is no {path}; POST to /predict, or GET /readyz"
    elif status == 405:
        allowed = dict(getattr(error, "headers", None) or {}).get("Allow", "another method")
        message = f"{path} does not take {method}; it takes {allowed}"
    else:
        message = str(getattr(error, "detail", error))
    return _answer(status, message, getattr(error, "headers", None))


def _unexpected_error() -> Response:
    return _answer(500, "an error inside the server; its log has the details")
