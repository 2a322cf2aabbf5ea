"""The application: what is asked for often, and the one place where an error becomes an answer."""

import logging
from functools import cache

from starlette.types import ASGIApp, Receive, Scope, Send

from twite.errors import TwiteError
from twite.scheduler import Scheduler
from twite.server.answer import answer_error
from twite.server.health import Ready, live
from twite.server.predict import Predict

log = logging.getLogger("twite")


def make_app(scheduler: Scheduler, max_body_bytes: int) -> ASGIApp:
    """The application for one scheduler, whose model may still be loading."""
    ready = Ready(scheduler)
    endpoints: dict[tuple[str, str], ASGIApp] = {
        ("POST", "/predict"): Predict(scheduler, max_body_bytes),
        ("GET", "/livez"): live,
        ("GET", "/readyz"): ready,
        ("GET", "/healthz"): ready,
    }

    @cache
    def others() -> ASGIApp:
        from twite.server.routes import make_routes

        return make_routes(scheduler, endpoints)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoints.get((scope["method"], scope["path"])) or others()
        try:
            await endpoint(scope, receive, send)
        except TwiteError as error:
            await answer_error(send, error)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await answer_error(send, TwiteError("an error inside the server; its log says more"))

    return app
