"""The application as an ASGI callable, for uvicorn, Starlette and mangum."""

from starlette.types import ASGIApp, Receive, Scope, Send

from twite.errors import BodyTooLarge
from twite.server.app import App, error_answer
from twite.server.exchange import Answer, Request
from twite.server.limits import body_too_large


class ClientGone(Exception):
    """The client closed the connection before its request was whole; nobody reads an answer."""


def make_asgi(app: App, max_body_bytes: int) -> ASGIApp:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): text.decode("latin-1") for key, text in scope["headers"]}
        try:
            body = await _read(receive, headers.get("content-length"), max_body_bytes)
        except ClientGone:
            return
        except BodyTooLarge as error:
            # The rest of the body is not read, so the connection cannot be used again.
            answer = error_answer(error)
            await _send(send, answer._replace(headers=(("connection", "close"),)))
            return
        query = scope["query_string"].decode("latin-1")
        # The server that carries this drops the body of an answer to HEAD.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        peer = (scope.get("client") or ("",))[0]
        request = Request(method, scope["path"], headers, body, query, peer)
        await _send(send, await app(request))

    return asgi


async def _read(receive: Receive, length: str | None, most: int) -> bytes:
    if length is not None and length.isdigit() and int(length[:20]) > most:
        raise body_too_large(length[:20], most)
    chunks: list[bytes] = []
    size, is_whole = 0, False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise body_too_large(f"more than {most}", most)
        is_whole = not message.get("more_body")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _send(send: Send, answer: Answer) -> None:
    headers = [
        (b"content-type", answer.content_type.encode("latin-1")),
        (b"content-length", b"%d" % len(answer.body)),
        *((key.encode("latin-1"), text.encode("latin-1")) for key, text in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
