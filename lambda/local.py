"""An HTTP API on this machine: every request an event for the function in the emulator.

python lambda/local.py BUNDLE [--port 8080]; `make lambda-local BUNDLE=dist/digits` does it. What an
HTTP API and a function URL do in front of Lambda is done here: payload 2.0, base64 for what is not
text, 6 MB an event. Not part of the function.
"""

import argparse
import json
import signal
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import unquote

from rie import Emulator, emulator
from twite.errors import TwiteError, UsageError

PAYLOAD_BYTES = 6 * 1024 * 1024
TEXT = ("text/", "application/json", "application/javascript", "application/xml")


class Response(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def to_event(
    method: str, target: str, headers: Mapping[str, str], body: bytes, peer: str
) -> dict[str, Any]:
    """The event of payload 2.0 for a request; header names become lower case, cookies a list."""
    path, _, query = target.partition("?")
    lower = {key.lower(): text for key, text in headers.items()}
    cookies = lower.pop("cookie", "")
    is_text = lower.get("content-type", "").startswith(TEXT)
    now = datetime.now(UTC)
    http = {"method": method, "path": unquote(path), "protocol": "HTTP/1.1", "sourceIp": peer}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": lower,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": lower.get("host", "localhost"),
            "http": {**http, "userAgent": lower.get("user-agent", "")},
            "requestId": "local",
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies.split("; ")
    if body:
        event |= _body(body, is_text)
    return event


def _body(body: bytes, is_text: bool) -> dict[str, Any]:
    if is_text:
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": b64encode(body).decode(), "isBase64Encoded": True}


def to_response(answer: object) -> Response:
    """What an HTTP API makes of a function's answer: without a statusCode it is JSON, status 200.

    A function that failed is a 502 that says how.
    """
    if isinstance(answer, dict) and "statusCode" in answer:
        headers = [(key, str(text)) for key, text in (answer.get("headers") or {}).items()]
        headers += [("set-cookie", text) for text in answer.get("cookies", [])]
        text = answer.get("body") or ""
        body = b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        return Response(int(answer["statusCode"]), headers, body)
    if isinstance(answer, dict) and "errorType" in answer:
        error = f"{answer['errorType']}: {answer.get('errorMessage', '')}"
        return _json(502, {"error": error})
    return _json(200, answer)


def _json(status: int, value: object) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Response(status, [("content-type", "application/json")], body)


class Front(ThreadingHTTPServer):
    """Requests are served one at a time, as one execution environment of Lambda does."""

    daemon_threads = True
    allow_reuse_address = True

    function: Emulator

    def __init__(self, port: int) -> None:
        self.turn = Lock()
        try:
            super().__init__(("127.0.0.1", port), Exchange)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot listen on 127.0.0.1:{port}: {getattr(error, 'strerror', None) or error}; "
                "choose another port, as in make lambda-local PORT=8081"
            ) from error

    def answer(self, event: dict[str, Any]) -> Response:
        payload = json.dumps(event).encode()
        if len(payload) > PAYLOAD_BYTES:
            came = f"the request is an event of {len(payload)} bytes"
            return _json(413, {"error": f"{came}; Lambda carries up to {PAYLOAD_BYTES}"})
        with self.turn:
            _, body = self.function.invoke(payload, timeout_s=900)
        try:
            return to_response(json.loads(body))
        except ValueError:
            return _json(502, {"error": f"the emulator says: {body.decode(errors='replace')}"})


class Exchange(BaseHTTPRequestHandler):
    """One connection; every method goes the same way."""

    protocol_version = "HTTP/1.1"
    server: Front

    def _exchange(self) -> None:
        body = self._read()
        if body is None:
            self.close_connection = True
            return self._send(_json(400, {"error": "the length of the body is no number"}))
        try:
            headers = {key: ", ".join(self.headers.get_all(key, [])) for key in self.headers}
            event = to_event(self.command, self.path, headers, body, self.client_address[0])
            response = self.server.answer(event)
        except TwiteError as error:
            response = _json(502, {"error": str(error)})
        return self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _exchange

    def _read(self) -> bytes | None:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = self.headers.get("content-length", "0")
        return self.rfile.read(int(length)) if length.isdigit() else None

    def _chunks(self) -> bytes | None:
        body = b""
        while True:
            try:
                size = int(self.rfile.readline(64).partition(b";")[0], 16)
            except ValueError:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(64)
            if size == 0:
                return body

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for key, text in response.headers:
            if key.lower() != "content-length":
                self.send_header(key, text)
        self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Silence: the function's own log says what was asked."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    try:
        return serve(options.bundle, options.port)
    except TwiteError as error:
        print(f"lambda-local: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def serve(bundle: Path, port: int) -> int:
    if not (bundle / "bundle.json").is_file():
        raise UsageError(f"{bundle} is no bundle; build one: make examples, or twite build")
    settings = {"MODEL_PATH": str(bundle.resolve())}
    # `kill` ends the function too, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Front(port) as front, emulator(settings) as front.function:
        address = f"http://127.0.0.1:{front.server_address[1]}"
        print(f"the function with {bundle} answers on {address}, Ctrl-C ends", flush=True)
        print(f"  events: curl -d '{{\"features\": …}}' {front.function.url}", flush=True)
        front.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
