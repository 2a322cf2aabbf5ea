"""What a connection may ask for and how long it may take; docs/http.md has the table."""

from typing import NamedTuple

from twite.errors import BodyTooLarge, RequestError
from twite.settings import Settings

BODY_BYTES_PER_S = 500
"""Every so many bytes of a body that came give it a second more, as Apache's MinRate does."""

LINGER_S = 2.0
"""How long what still comes after a refusal is read and dropped, so that the refusal arrives."""


class Limits(NamedTuple):
    """Sizes in bytes, times in seconds; Settings has the same names and the defaults."""

    connections: int
    target_bytes: int
    header_bytes: int
    headers: int
    body_bytes: int
    header_s: float
    body_s: float
    idle_s: float
    send_s: float


def limits_of(settings: Settings) -> Limits:
    return Limits(
        settings.max_connections,
        settings.max_target_bytes,
        settings.max_header_bytes,
        settings.max_headers,
        settings.max_body_bytes,
        settings.header_timeout_s,
        settings.body_timeout_s,
        settings.idle_timeout_s,
        settings.send_timeout_s,
    )


class Malformed(RequestError):
    """A request that breaks HTTP's own rules or a limit of this server."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def body_too_large(came: str, most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body has {came} bytes; this server takes up to {most} (TWITE_MAX_BODY_BYTES)"
    )


def target_too_long(most: int) -> Malformed:
    message = f"the request's path and query are longer than {most} bytes (TWITE_MAX_TARGET_BYTES)"
    return Malformed(414, message)


def headers_too_large(most: int) -> Malformed:
    return Malformed(431, f"the headers are larger than {most} bytes (TWITE_MAX_HEADER_BYTES)")


def too_many_headers(most: int) -> Malformed:
    return Malformed(431, f"there are more than {most} headers (TWITE_MAX_HEADERS)")


def too_slow(part: str, limit_s: float, setting: str) -> Malformed:
    return Malformed(408, f"the {part} took longer than {limit_s:g} s to come ({setting})")
