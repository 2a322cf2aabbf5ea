"""An answer straight on ASGI: a response object would cost more than a small model."""

from starlette.types import Send

from twite.encode import encode_error
from twite.errors import BodyTooLarge, NotReady, TwiteError

Headers = tuple[tuple[bytes, bytes], ...]


async def answer(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send a JSON document."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def answer_error(send: Send, error: TwiteError) -> None:
    """Send `{"error": …}` with the error's own status."""
    headers: Headers = ()
    if isinstance(error, NotReady):
        headers = ((b"retry-after", b"1"),)
    elif isinstance(error, BodyTooLarge):
        # The rest of the body is not read, so the connection cannot be used again.
        headers = ((b"connection", b"close"),)
    await answer(send, error.status, encode_error(str(error)), headers)
