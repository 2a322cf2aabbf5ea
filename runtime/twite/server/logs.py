"""What the server writes to stderr: plain lines, or one JSON object a line."""

import json
import logging
from time import gmtime, strftime

from twite.settings import Settings


def log_to_stderr(settings: Settings) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.log_format == "json" else PlainLines())
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper())


class PlainLines(logging.Formatter):
    """`INFO    message`, with the request's id where the line is about one."""

    def __init__(self) -> None:
        super().__init__("%(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        line = super().formatMessage(record)
        request_id = getattr(record, "request_id", "")
        return f"{line} [{request_id}]" if request_id else line


class JsonLines(logging.Formatter):
    """time (UTC), level, logger, message; request_id, trace_id and fields of the line's own."""

    def format(self, record: logging.LogRecord) -> str:
        moment = strftime("%Y-%m-%dT%H:%M:%S", gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := getattr(record, "request_id", ""):
            line["request_id"] = request_id
        if trace := getattr(record, "trace", ""):
            line["trace_id"] = trace.split("-")[1]
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
