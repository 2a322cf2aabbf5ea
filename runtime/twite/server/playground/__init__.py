"""The page at `/`."""

from collections.abc import Sequence

from twite.repository import Served
from twite.server.exchange import Answer


def playground_page(models: Sequence[Served]) -> Answer:
    return Answer(200, b"")
