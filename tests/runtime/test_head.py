"""Heads of requests that came before are not parsed again, and nobody can tell."""

import random

import pytest

from twite.errors import TwiteError
from twite.server.connection import PIECE_BYTES
from twite.server.head import MOST, Head, KnownHeads
from twite.server.limits import Held, limits_of
from twite.server.reader import Reader
from twite.settings import Settings

LIMITS = limits_of(Settings())
PARTS = [
    b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /livez?a=%20b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /a%20b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12345",
    b"POST /a%20b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n\r\n\r\n5",
    b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 6000\r\n\r\n" + b"x" * 6000,
    b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 80000\r\n\r\n" + b"y" * 80_000,
    b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /e HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nok",
    b"POST / HTTP/1.1\r\nhost:\r\nupgrade: a\r\nconnection: upgrade\r\ncontent-length: 1\r\n\r\nx",
    b"GET /0 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    b"GET /k HTTP/1.1\r\nhost: x\r\nx-api-key: secret\r\n\r\n",
]
ENDS = [
    b"GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    b"GET /last HTTP/1.1\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET /lf HTTP/1.1\nhost: x\n\n",
    b"GET /half HTTP/1.1\r\nhost",
    b"",
]


class NoHeads(KnownHeads):
    """Knows none."""

    def keep(self, text: bytes, head: Head) -> None:
        return


def read(pieces: list[bytes], known: KnownHeads) -> list[object]:
    """Every request that a connection sends, what its reader says in between, and its error."""
    held = Held(1 << 30)
    reader = Reader(LIMITS, held, known, "peer")
    found: list[object] = []
    try:
        for piece in pieces:
            if reader.room:
                size = min(len(piece), len(reader.room))
                reader.room[:size] = piece[:size]
                piece = bytes(reader.took(size)) + piece[size:]
            reader.feed(memoryview(piece) if len(piece) > PIECE_BYTES else piece)
            found.append((reader.state, reader.begun, reader.size, reader.left, held.size))
            while reader.messages:
                request = reader.messages.popleft()
                found.append((request.method, request.path, request.query, request.body))
                found.append((request.headers, request.held, request.is_head))
                found.append((request.keeps_alive, request.is_http_1_0))
                reader.release(request)
    except TwiteError as error:
        found.append(str(error))
    return found


def cut(sent: bytes, choices: random.Random) -> list[bytes]:
    places = sorted(choices.randrange(len(sent) + 1) for _ in range(choices.randrange(6)))
    return [sent[a:b] for a, b in zip([0, *places], [*places, len(sent)], strict=True)]


@pytest.mark.parametrize("seed", range(200))
def test_what_is_read_is_the_same_as_without(seed: int) -> None:
    choices, known = random.Random(seed), KnownHeads()
    for _ in range(10):
        requests = [choices.choice(PARTS) for _ in range(choices.randrange(1, 6))]
        requests.append(choices.choice(ENDS))
        pieces = requests if choices.random() < 0.5 else cut(b"".join(requests), choices)
        assert sizeless(read(pieces, known)) == sizeless(read(pieces, NoHeads()))


def sizeless(found: list[object]) -> list[object]:
    """Without size between two requests, which nobody asks for there."""
    return [
        (*each[:2], each[2] if each[0] else 0, *each[3:])
        if isinstance(each, tuple) and isinstance(each[0], int) and len(each) == 5
        else each
        for each in found
    ]


def test_only_plain_heads_are_kept() -> None:
    known = KnownHeads()
    for part in PARTS:
        read([part], known)
    assert sorted(head.path for head in known._heads.values()) == [
        "/a",
        "/a",
        "/a b",
        "/livez",
        "/livez",
        "/livez",
    ]
    assert not any(b"secret" in text for text in known._heads)


def test_a_head_that_came_before_needs_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownHeads()
    before = read([PARTS[3]], known)
    monkeypatch.setattr(Reader, "_parse", lambda self, data: pytest.fail("parsed again"))
    assert sizeless(read([PARTS[3]], known)) == sizeless(before)
    assert read([PARTS[4]], known)[1] == ("POST", "/a b", "", b"\r\n\r\n5")


def test_nor_does_one_with_a_long_body(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownHeads()
    before = read([PARTS[6]], known)
    monkeypatch.setattr(Reader, "_parse", lambda self, data: pytest.fail("parsed again"))
    again = read([PARTS[6][:20_000], PARTS[6][20_000:]], known)
    assert sizeless(again)[-3:] == sizeless(before)[-3:]


def test_a_bounded_number_is_kept_and_none_that_is_long() -> None:
    known = KnownHeads()
    for i in range(3 * MOST):
        read([b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % i], known)
        assert len(known._heads) <= MOST
    read([b"GET /long HTTP/1.1\r\nhost: x\r\nx-long: %s\r\n\r\n" % (b"x" * 4000)], known)
    assert "/long" not in {head.path for head in known._heads.values()}
