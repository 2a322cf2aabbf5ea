"""The application: which endpoint answers, and the one place where an error becomes an answer."""

import logging
from collections.abc import Awaitable, Sequence

from twite.encode import encode_error
from twite.errors import MethodNotAllowed, NotFound, NotReady, TwiteError, Unauthorized
from twite.repository import Repository
from twite.server.dialects import Found, exact_endpoints, finders
from twite.server.exchange import Admit, Answer, Endpoint, Request
from twite.server.identity import identify
from twite.server.kept import Kept
from twite.settings import Settings

log = logging.getLogger("twite")

DEFAULTS = Settings()

MOST_PATHS, LONGEST_PATH = 256, 256


class App:
    """Answers requests from the models of a repository, some of which may still be loading.

    The paths without a name in them are looked up in one table; what is not there is asked of the
    dialects in turn, and what they find is kept. Both are made by make_app.
    """

    def __init__(
        self,
        endpoints: dict[tuple[str, str], Endpoint],
        dialects: Sequence[Found] = (),
        settings: Settings | None = None,
    ) -> None:
        settings = settings or Settings()
        self._endpoints = endpoints
        self._dialects = dialects
        self._found: Kept[tuple[str, str], Endpoint] = Kept(MOST_PATHS)
        self._check: Admit | None = None
        self._has_origins = bool(settings.cors_origins)
        self._tracer = None
        answer: Endpoint = self._answer
        if settings.api_keys or settings.cors_origins:
            from twite.server.access import allow_origins, require_key

            self._check = require_key(settings.api_keys) if settings.api_keys else None
            if settings.cors_origins:
                answer = allow_origins(answer, settings.cors_origins)
        if settings.tracing:
            from twite.server.tracing import make_tracer

            self._tracer = make_tracer()
        self._outer = identify(answer, log_access=settings.access_log, tracer=self._tracer)

    def __call__(self, request: Request) -> Awaitable[Answer]:
        return self._outer(request)

    async def _answer(self, request: Request) -> Answer:
        try:
            if self._check:
                self._check(request)
            asked = request.method, request.path
            endpoint = self._endpoints.get(asked) or self._found.get(asked) or self._find(request)
            return await endpoint(request)
        except TwiteError as error:
            return error_answer(error)
        except Exception:
            extra = {"request_id": request.id, "trace": request.trace}
            log.exception("%s %r failed", request.method, request.path, extra=extra)
            return error_answer(TwiteError("an error inside the server; its log says more"))

    @property
    def admit(self) -> Admit | None:
        """Asked before a body is read; None where nothing is ever refused by its head."""
        return self._admit if self._check else None

    def _admit(self, request: Request) -> None:
        # A page of another origin is told later, with the headers that let it read why.
        if self._check and not (self._has_origins and "origin" in request.headers):
            self._check(request)

    def close(self) -> None:
        """Send what still waits to be sent: the last spans."""
        if self._tracer:
            self._tracer.close()

    def _find(self, request: Request) -> Endpoint:
        for dialect in self._dialects:
            if endpoint := dialect(request):
                if len(request.path) <= LONGEST_PATH:
                    self._found.keep((request.method, request.path), endpoint)
                return endpoint
        methods = sorted(method for method, path in self._endpoints if path == request.path)
        if not methods:
            hint = "POST to /predict, or GET /openapi.json for all there is"
            raise NotFound(f"there is no {request.path:.200}; {hint}")
        allowed = ", ".join(methods)
        raise MethodNotAllowed(
            f"{request.path} does not take {request.method}; it takes {allowed}", allowed
        )


def make_app(repository: Repository, settings: Settings = DEFAULTS) -> App:
    return App(exact_endpoints(repository, settings), finders(repository), settings)


def error_answer(error: TwiteError) -> Answer:
    """`{"error": …}` with the error's own status."""
    headers: tuple[tuple[str, str], ...] = ()
    if isinstance(error, NotReady):
        headers = (("retry-after", "1"),)
    elif isinstance(error, Unauthorized):
        headers = (("www-authenticate", "Bearer"),)
    elif isinstance(error, MethodNotAllowed):
        headers = (("allow", error.allowed),)
    return Answer(error.status, encode_error(str(error)), headers=headers)
