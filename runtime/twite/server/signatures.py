"""Which signature a request names: before its JSON is parsed, because each has a queue of its own.

A key between quotes with a colon behind it can only be a key in valid JSON: inside a text its
quotes would be escaped. One that stands at another place than the dialect's own, or is spelled with
escapes, is refused once the JSON is read.
"""

import json
import re

from twite.arrays import name_json
from twite.errors import NotFound, RequestError
from twite.repository import Served
from twite.signatures import main_name, unknown

TEXT_BEHIND = re.compile(rb'\s*:\s*("(?:[^"\\]|\\.)*")')


def in_query(query: str) -> str | None:
    """What `?signature=` names; None without one."""
    for pair in query.split("&"):
        key, _, text = pair.partition("=")
        if key == "signature":
            from urllib.parse import unquote_plus

            return unquote_plus(text) or None
    return None


def in_json(body: bytes, key: str) -> str | None:
    """The first text behind this key, wherever in the JSON it stands; None without one."""
    quoted = f'"{key}"'.encode()
    place = body.find(quoted)
    while place >= 0:
        place += len(quoted)
        if found := TEXT_BEHIND.match(body, place):
            return _text(found[1])
        place = body.find(quoted, place)
    return None


def _text(quoted: bytes) -> str | None:
    try:
        return str(json.loads(quoted)) or None
    except ValueError:
        return None


def check(value: object, key: str, chosen: Served, main: Served) -> None:
    """Raise NotFound or RequestError unless value, from the key's own place, names chosen.

    Nothing there is an empty text, and names the main one.
    """
    if value == main_name(chosen.model.manifest) or (value == "" and chosen is main):
        return
    if not isinstance(value, str):
        raise RequestError(f"{key} is {name_json(value)}; it must be the name of a signature")
    if chosen is main and not main.signatures:
        raise NotFound(unknown(value, main.model.manifest))
    raise RequestError(
        f"{key} is {value!r:.60} where it is looked for, and another one elsewhere in the JSON; "
        "write it once, in plain letters"
    )
