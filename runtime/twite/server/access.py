"""Who may ask: an API key and a list of origins for browsers, both off until they are set."""

from collections.abc import Sequence
from hmac import compare_digest

from twite.errors import Unauthorized
from twite.server.exchange import Admit, Answer, Endpoint, Request

OPEN_PATHS = frozenset(
    ("/", "/livez", "/readyz", "/healthz", "/v2/health/live", "/v2/health/ready")
)
"""What is answered without a key: probes have none, and the playground's page asks for it."""

EXPOSED = "x-request-id, traceparent, retry-after, inference-header-content-length"
HOUR_S = "3600"


def require_key(keys: Sequence[str]) -> Admit:
    """A check that raises Unauthorized unless a request has one of the keys.

    It comes as `Authorization: Bearer KEY` or `X-API-Key: KEY`.
    """
    wanted = [key.encode() for key in keys]

    def check(request: Request) -> None:
        if request.path in OPEN_PATHS and request.method == "GET":
            return
        sent = _sent_key(request)
        if not sent:
            hint = "send it as Authorization: Bearer KEY, or as X-API-Key: KEY"
            raise Unauthorized(f"an API key is missing; {hint}")
        # Each is compared whole: the time does not tell how far one matched.
        if not any(compare_digest(sent.encode("latin-1"), key) for key in wanted):
            raise Unauthorized("the API key is not one that this server knows")

    return check


def _sent_key(request: Request) -> str:
    """Header values are Latin-1, so the bytes that were sent can be had again."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


def allow_origins(app: Endpoint, origins: Sequence[str]) -> Endpoint:
    """Let pages of these origins read the answers, `*` any; answer their preflights."""

    async def shared(request: Request) -> Answer:
        origin = request.headers.get("origin")
        if origin is None:
            return await app(request)
        answer = _preflight(request) if _is_preflight(request) else await app(request)
        return answer._replace(headers=(*answer.headers, *_sharing(origin, origins)))

    return shared


def _sharing(origin: str, origins: Sequence[str]) -> list[tuple[str, str]]:
    vary = ("vary", "origin")
    if "*" not in origins and origin not in origins:
        return [vary]
    allowed = "*" if "*" in origins else origin
    exposed = ("access-control-expose-headers", EXPOSED)
    return [vary, exposed, ("access-control-allow-origin", allowed)]


def _is_preflight(request: Request) -> bool:
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers


def _preflight(request: Request) -> Answer:
    headers = [("access-control-allow-methods", "GET, POST"), ("access-control-max-age", HOUR_S)]
    asked = request.headers.get("access-control-request-headers", "")
    if asked.translate(str.maketrans("", "", ", -_")).isalnum() and asked.isascii():
        headers.append(("access-control-allow-headers", asked))
    return Answer(204, b"", headers=tuple(headers))
