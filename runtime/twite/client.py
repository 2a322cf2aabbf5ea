"""Ask a server of twite: one connection, whole bodies."""

import http.client
from urllib.parse import quote_plus, urlsplit

from twite.errors import RequestError, TwiteError, UsageError

TIMEOUT_S = 60.0


class Client:
    """A connection to the server at `url`, http or https; paths are below the URL's own."""

    def __init__(self, url: str, signature: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url} is no URL of a server; write http://HOST:PORT")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._url = url
        self._path = f"{parts.path.rstrip('/')}/predict"
        if signature:
            self._path += f"?signature={quote_plus(signature)}"

    def predict(self, body: bytes, content_type: str) -> bytes:
        """The answer of /predict; raises RequestError or TwiteError with the server's own words."""
        try:
            headers = {"content-type": content_type}
            self._connection.request("POST", self._path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            said = getattr(error, "strerror", None) or error
            raise TwiteError(f"{self._url} does not answer: {said}") from error
        if answer.status != 200:
            kind = RequestError if answer.status < 500 else TwiteError
            said = content.decode(errors="replace").strip()
            raise kind(f"{self._url} answers {answer.status}: {said}")
        return content

    def close(self) -> None:
        self._connection.close()
