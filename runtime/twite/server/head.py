"""A request's line and headers, checked; and those that came before, which need no parser."""

from typing import NamedTuple

from twite.server.exchange import Request
from twite.server.kept import Kept
from twite.server.limits import Limits, Malformed, body_too_large

MOST, LONGEST = 256, 2048

_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD"}
_END = b"\r\n\r\n"

_SECRET = ("authorization", "cookie", "x-api-key")
_NEW_EACH_TIME = ("traceparent", "x-request-id")
_MORE_THAN_A_HEAD = ("expect", "transfer-encoding", "upgrade")
_NOT_KEPT = frozenset((*_SECRET, *_NEW_EACH_TIME, *_MORE_THAN_A_HEAD))


class Head(NamedTuple):
    """size_bytes is the Content-Length, 0 without one; HEAD asks as GET does."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    size_bytes: int
    keeps_alive: bool
    is_head: bool
    is_http_1_0: bool

    def request(self, body: bytes, peer: str) -> Request:
        return Request(self.method, self.path, self.headers, body, self.query, peer)


def make_head(
    line: tuple[bytes, bytes, str], headers: dict[str, str], limits: Limits, *, keeps_alive: bool
) -> Head:
    """line is method, target and version. Raises Malformed or BodyTooLarge."""
    method, target, version = line
    if version not in ("1.1", "1.0"):
        raise other_version(f"HTTP/{version}")
    if version == "1.1" and "host" not in headers:
        raise Malformed(400, "the Host header is missing")
    size_bytes = int(headers.get("content-length", 0))
    if size_bytes > limits.body_bytes:
        raise body_too_large(str(size_bytes), limits.body_bytes)
    if size_bytes == 0 and headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise Malformed(501, "of the transfer encodings only chunked is known here")
    if headers.get("expect", "100-continue").lower() != "100-continue":
        raise Malformed(417, "of the expectations only 100-continue is known here")
    spelled = _METHODS.get(method) or method.decode("latin-1")
    is_head = spelled == "HEAD"
    return Head(
        "GET" if is_head else spelled,
        *_split(target.decode("latin-1")),
        headers,
        size_bytes,
        keeps_alive,
        is_head,
        version == "1.0",
    )


class KnownHeads:
    """The heads of a server's clients, by their bytes: most are the same again and again."""

    __slots__ = ("_heads",)

    def __init__(self) -> None:
        self._heads: Kept[bytes, Head] = Kept(MOST)

    def find(self, data: bytes | memoryview) -> tuple[Head, int] | None:
        """The head that data begins with and its length, where it is known."""
        data = data if isinstance(data, bytes) else bytes(data[:LONGEST])
        end = data.find(_END) + len(_END)
        head = self._heads.get(data[:end])
        return (head, end) if head else None

    def keep(self, text: bytes, head: Head) -> None:
        """Remember that these bytes are this head, where they may well come again."""
        if not _NOT_KEPT.isdisjoint(head.headers) or not head.keeps_alive or head.is_http_1_0:
            return
        if len(text) <= LONGEST and text.find(_END) == len(text) - len(_END):
            self._heads.keep(text, head)


def other_version(came: str) -> Malformed:
    return Malformed(505, f"{came} came; this server speaks HTTP/1.1 and HTTP/1.0")


def _split(target: str) -> tuple[str, str]:
    """Path, decoded, and query of a request's target; a proxy's absolute form loses its host."""
    if not target.startswith("/"):
        _, is_absolute, rest = target.partition("://")
        target = "/" + rest.partition("/")[2] if is_absolute else target
    path, _, query = target.partition("?")
    if "%" in path:
        from urllib.parse import unquote

        path = unquote(path)
    return path, query
