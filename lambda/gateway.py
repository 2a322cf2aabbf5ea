"""HTTP events, from an HTTP API, a function URL, a REST API or a load balancer, to the application.

Those of payload version 2.0 for the paths in DIRECT reach it as they are; every other event goes
through mangum, which is imported when the first one comes. Both answer with the same bytes.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable
from threading import local
from typing import Any, TypeVar
from urllib.parse import unquote

from deferred import defer

defer("asyncio")

from function import ANSWER_BYTES, EVENT_BYTES, answer_too_large
from inference import Inference
from telemetry import Context, Telemetry
from tracing import traceparent
from twite.errors import BodyTooLarge, RequestError, TwiteError
from twite.model import Model
from twite.pool import Pool
from twite.repository import Repository, Served
from twite.server.app import error_answer, make_app
from twite.server.exchange import Answer, Endpoint, Request
from twite.settings import Settings
from twite.work import Work

T = TypeVar("T")
Event = dict[str, Any]

DIRECT = {("POST", "/predict"), ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/healthz")}
"""What the application answers without waiting for anything, so without an event loop."""

ALB_BYTES = 1024 * 1024
"""What a load balancer carries to a function and back."""

TEXT = (
    "text/",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/vnd.api+json",
    "application/vnd.oai.openapi",
)
"""mangum's own list; other bodies travel as base64."""

LONGEST_ESCAPE = 6
"""A character of an answer may become a backslash, u and four digits."""


class InTurn(Pool):
    """The pool of a function: whoever brings a request computes it, and nobody waits in a queue."""

    def __init__(self, inference: Inference, model: Model) -> None:
        self._inference = inference
        self._own = model

    async def run(self, work: Work[T], deadline_s: float | None = None) -> T:
        return work.answer(self._inference.run(work.decode(), self._own))

    def close(self) -> None:
        pass


class Gateway:
    """The application for HTTP events, with the model of the function in it."""

    def __init__(self, inference: Inference, telemetry: Telemetry, settings: Settings) -> None:
        repository, manifest = Repository(), inference.model.manifest
        name = settings.model_name or manifest.name

        def serve(model: Model) -> Served:
            pool = InTurn(inference, model)
            return Served(name, manifest.version, model, pool, inference.load_s)

        further = {key: serve(model) for key, model in inference.further.items()}
        repository.models = (serve(inference.model)._replace(signatures=further),)
        self._app = make_app(repository, settings)
        self._model_path = f"/v2/models/{name}/infer"
        self._inference = inference
        self._telemetry = telemetry
        self._most = settings.max_body_bytes
        self._threads = local()

    def answer(self, event: Event, context: Context) -> dict[str, Any]:
        """The response that the kind of event wants; raises RequestError for what is no event."""
        try:
            method, path = _method_and_path(event)
            response = self._respond(event, context, method, path)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RequestError(
                "the event has a requestContext but is no HTTP event of an API Gateway, function "
                f"URL or load balancer: {type(error).__name__} {error}"
            ) from error
        code = response["statusCode"]
        took_s = self._inference.took_s()
        if took_s is None and method != "POST":
            self._telemetry.note(f"{method} {path}", context, code)
        else:
            failed = response["body"] if code >= 400 else ""
            self._telemetry.request(f"{method} {path}", context, code, took_s, failed[:1000])
        return response

    def answer_oip(self, event: Event, context: Context) -> Any:
        """The answer to an Open Inference Protocol request that came without HTTP."""
        body = json.dumps(event).encode()
        headers = {"content-type": "application/json"}
        _identify(headers, context)
        request = Request("POST", self._model_path, headers, body)
        import asyncio

        answer = asyncio.run(self._asked(request))
        if len(answer.body) > ANSWER_BYTES:
            raise BodyTooLarge(answer_too_large(len(answer.body), ANSWER_BYTES))
        parsed = json.loads(answer.body)
        if answer.status >= 400:
            raise _refused(answer.status, parsed["error"])
        self._telemetry.request("direct", context, answer.status, self._inference.took_s())
        return parsed

    async def _asked(self, request: Request) -> Answer:
        return await self._app(request)

    def _respond(self, event: Event, context: Context, method: str, path: str) -> dict[str, Any]:
        is_balanced = "elb" in event["requestContext"]
        most = ALB_BYTES if is_balanced else EVENT_BYTES
        try:
            body = _body(
                event, min(self._most, most * 3 // 4 if event.get("isBase64Encoded") else most)
            )
        except RequestError as error:
            return self._through_mangum(event, context, _always(error_answer(error)), b"")
        if event.get("version") == "2.0" and (method, path) in DIRECT:
            response = self._direct(event, context, method, path, body)
        else:
            response = self._through_mangum(event, context, self._app, body)
        size, most = _size(response), ALB_BYTES if is_balanced else ANSWER_BYTES
        if size > most:
            refusal = error_answer(BodyTooLarge(answer_too_large(size, most)))
            return self._through_mangum(event, context, _always(refusal), b"")
        return response

    def _direct(
        self, event: Event, context: Context, method: str, path: str, body: bytes
    ) -> dict[str, Any]:
        headers = {key.lower(): text for key, text in event["headers"].items()}
        if event.get("cookies"):
            headers["cookie"] = "; ".join(event["cookies"])
        _identify(headers, context)
        peer = event["requestContext"]["http"]["sourceIp"]
        request = Request(method, path, headers, body, event.get("rawQueryString", ""), peer)
        return _response(_finish(self._app(request)))

    def _through_mangum(
        self, event: Event, context: Context, app: Endpoint, body: bytes
    ) -> dict[str, Any]:
        headers = {key.lower(): text for key, text in (event.get("headers") or {}).items()}
        several = {
            key.lower(): text for key, text in (event.get("multiValueHeaders") or {}).items()
        }
        known = {**headers, **{key: texts[0] for key, texts in several.items() if texts}}
        before = set(known)
        _identify(known, context)
        added = {key: text for key, text in known.items() if key not in before}
        whole = {**event, "headers": headers | added, "body": body, "isBase64Encoded": False}
        if several:
            whole["multiValueHeaders"] = several | {key: [text] for key, text in added.items()}
        if event.get("version") == "2.0":
            http = {**event["requestContext"]["http"], "path": _path(event)}
            whole["requestContext"] = {**event["requestContext"], "http": http}
        response: dict[str, Any] = self._mangum(app)(whole, context)
        return response

    def _mangum(self, app: Endpoint) -> Any:
        """One for each thread: it takes its thread's event loop, and makes it where there is none.

        lifespan="off": with "auto" every invocation would run the start of the application.
        """
        known = self._threads.__dict__
        if app is not self._app or "mangum" not in known:
            from mangum import Mangum

            from twite.server.asgi import make_asgi

            mangum = Mangum(make_asgi(app, self._most), lifespan="off")  # type: ignore[arg-type]
            if app is not self._app:
                return mangum
            known["mangum"] = mangum
        return known["mangum"]


def _method_and_path(event: Event) -> tuple[str, str]:
    if event.get("version") == "2.0":
        path, method = _path(event), event["requestContext"]["http"]["method"]
    else:
        path, method = event["path"], event["httpMethod"]
    return method, unquote(path) if "%" in path else path


def _path(event: Event) -> str:
    """Without the stage, which payload 2.0 carries in front unless it is `$default`."""
    context = event["requestContext"]
    path: str = context["http"]["path"]
    stage = f"/{context.get('stage', '$default')}"
    if path == stage or path.startswith(f"{stage}/"):
        return path[len(stage) :] or "/"
    return path


def _body(event: Event, most: int) -> bytes:
    """Raises BodyTooLarge before anything is decoded, RequestError for what is not base64."""
    text: str = event.get("body") or ""
    is_base64 = event.get("isBase64Encoded")
    size = len(text) // 4 * 3 - text.count("=", -2) if is_base64 else len(text)
    if size > most:
        raise BodyTooLarge(
            f"the body has {size} bytes; this function takes up to {most}, because Lambda carries "
            "6 MB an event and what is not text as base64; larger ones can come from an S3 bucket"
        )
    if not is_base64:
        return text.encode()
    try:
        return b64decode(text, validate=True)
    except Base64Error as error:
        raise RequestError(
            f"the event says isBase64Encoded, but its body is not base64: {error}"
        ) from error


def _identify(headers: dict[str, str], context: Context) -> None:
    """Lambda's request id and trace for the application, unless the caller sent its own."""
    headers.setdefault("x-request-id", context.aws_request_id)
    if "traceparent" not in headers and (parent := traceparent(headers.get("x-amzn-trace-id"))):
        headers["traceparent"] = parent


def _finish(asked: Awaitable[Answer]) -> Answer:
    """The answer of an endpoint that waits for nothing."""
    running = asked.__await__()
    try:
        next(running)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    running.close()
    raise TwiteError("an endpoint waited for something; it cannot be one of gateway.DIRECT")


def _response(answer: Answer) -> dict[str, Any]:
    """As mangum's for payload 2.0."""
    headers = {"content-type": answer.content_type, "content-length": str(len(answer.body))}
    cookies = []
    for key, text in answer.headers:
        if key == "set-cookie":
            cookies.append(text)
        else:
            headers[key] = f"{headers[key]},{text}" if key in headers else text
    body, is_base64 = _text(answer)
    response = {"statusCode": answer.status, "body": body, "headers": headers}
    if cookies:
        response["cookies"] = cookies
    response["isBase64Encoded"] = is_base64
    return response


def _text(answer: Answer) -> tuple[str, bool]:
    if not answer.body:
        return "", False
    if any(kind in answer.content_type for kind in TEXT):
        try:
            return answer.body.decode(), False
        except UnicodeDecodeError:
            pass
    return b64encode(answer.body).decode(), True


def _size(response: dict[str, Any]) -> int:
    """Bytes that the body takes in the answer's JSON; of a short one its length will do."""
    body: str = response["body"]
    if response["isBase64Encoded"] or len(body) * LONGEST_ESCAPE < ALB_BYTES:
        return len(body)
    return len(json.dumps(body))


def _always(answer: Answer) -> Endpoint:
    async def refuse(request: Request) -> Answer:
        return answer

    return refuse


def _refused(status: int, message: str) -> RequestError:
    error = RequestError(message)
    error.status = status
    return error
