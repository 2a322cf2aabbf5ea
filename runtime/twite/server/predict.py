"""`POST /predict`: a body in, a prediction out."""

from starlette.types import Message, Receive, Scope, Send

from twite.errors import BodyTooLarge, RequestError
from twite.scheduler import Scheduler
from twite.server.answer import answer


class ClientGone(Exception):
    """The client closed the connection before its request was whole; nobody reads an answer."""


class Predict:
    """The endpoint, straight on ASGI: a request object would cost more than a small model."""

    def __init__(self, scheduler: Scheduler, max_body_bytes: int) -> None:
        self._scheduler = scheduler
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        content_type, length = _headers(scope)
        _check_length(length, self._max_body_bytes)
        try:
            body = await self._read(receive)
        except ClientGone:
            return
        await answer(send, 200, await self._scheduler.predict(body, content_type))

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size, is_whole = 0, False
        while not is_whole:
            message = await _next(receive)
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._max_body_bytes:
                raise _too_large(f"more than {self._max_body_bytes}", self._max_body_bytes)
            is_whole = not message.get("more_body")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _headers(scope: Scope) -> tuple[str, bytes | None]:
    content_type, length = "", None
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value.decode("latin-1")
        elif name == b"content-length":
            length = value
    return content_type, length


def _check_length(length: bytes | None, most: int) -> None:
    if length is None:
        return
    if not length.isdigit():
        raise RequestError(f"content-length is {length!r}; it must be a whole number of bytes")
    if int(length[:20]) > most:
        raise _too_large(length[:20].decode(), most)


def _too_large(came: str, most: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body has {came} bytes; this server takes up to {most} (TWITE_MAX_BODY_BYTES)"
    )
