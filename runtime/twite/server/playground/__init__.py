"""The page at `/`: one document that asks every model of this server and loads nothing else.

Its style and its script stand in it; the Content-Security-Policy names them by their hashes.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from twite.repository import Served
from twite.server.exchange import Answer
from twite.server.playground.models import describe

FOLDER = Path(__file__).parent


def playground_page(models: Sequence[Served]) -> Answer:
    style, script = _part("style.css"), _part("script.js")
    page = _part("index.html")
    for place, content in (
        ("{{style}}", style),
        ("{{models}}", _json([describe(each, models) for each in newest(models)])),
        ("{{script}}", script),
    ):
        page = page.replace(place, content, 1)
    return Answer(200, page.encode(), "text/html; charset=utf-8", _headers(style, script))


def newest(models: Sequence[Served]) -> list[Served]:
    """Each name once, in the version that its path answers with."""
    found: dict[str, Served] = {}
    for served in models:
        found[served.name] = served
    return [*found.values()]


def _part(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def _json(value: object) -> str:
    """JSON that cannot end the element it stands in, whatever a bundle is called."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _headers(style: str, script: str) -> tuple[tuple[str, str], ...]:
    policy = {
        "default-src": "'none'",
        "style-src": _hash(style),
        "script-src": _hash(script),
        "img-src": "data: blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return (
        ("content-security-policy", "; ".join(" ".join(pair) for pair in policy.items())),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    )


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
