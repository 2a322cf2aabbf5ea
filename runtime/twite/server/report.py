"""`GET /v2/models/NAME/report`: the bundle's report, as it was verified."""

from twite.errors import NotFound
from twite.repository import Served
from twite.server.exchange import Answer

REPORT = "report.html"

# A report is a page of somebody else's making: it may style itself and show its own pictures.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
HEADERS = (
    ("content-security-policy", POLICY + "form-action 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)


def report_answer(served: Served) -> Answer:
    """Raises NotFound where the bundle has none."""
    bundle = served.model.bundle
    if REPORT not in bundle.manifest.files:
        raise NotFound(f"the bundle of '{served.name}' has no {REPORT}; build it again")
    try:
        page = (bundle.path / REPORT).read_bytes()
    except OSError as error:
        message = f"the {REPORT} of '{served.name}' cannot be read any more: {error.strerror}"
        raise NotFound(message) from error
    return Answer(200, page, "text/html; charset=utf-8", HEADERS)
