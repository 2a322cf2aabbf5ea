"""How much one request may hold: samples, and numbers and nesting of JSON."""

import re
from typing import NamedTuple

from twite.errors import BodyTooLarge, RequestError
from twite.json_text import count_up_to

_strings = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OPENING = bytes.maketrans(b"{}", b"[]")
_REST = bytes(set(range(256)) - set(b"[]{}"))


class Bounds(NamedTuple):
    """Settings has the same names and the defaults, with max_ before them."""

    batch: int = 1024
    json_depth: int = 32
    json_numbers: int = 4_000_000

    def check_json(self, body: bytes) -> None:
        """Refuse a body that would take far more memory parsed than as text.

        Raises BodyTooLarge for too many entries, RequestError for too deep a nesting. Looks at the
        text alone: that is cheap, and what is no JSON is left to the parser.
        """
        if len(body) > self.json_numbers and body.count(b",") >= self.json_numbers:
            raise BodyTooLarge(
                f"the JSON has more than {self.json_numbers} entries (TWITE_MAX_JSON_NUMBERS)"
            )
        most = self.json_depth
        is_flat = count_up_to(body, b"[", most) + count_up_to(body, b"{", most) <= most
        if not is_flat and self._is_deep(body) and self._is_deep(_strings.sub(b"", body)):
            raise RequestError(
                f"the body is JSON nested too deep to be a tensor: {self.json_depth} levels are "
                "the most (TWITE_MAX_JSON_DEPTH)"
            )

    def _is_deep(self, body: bytes) -> bool:
        """Whether brackets are left when the innermost pairs have been taken away so often."""
        brackets = body.translate(_OPENING, _REST)
        for _ in range(self.json_depth):
            if not brackets:
                return False
            brackets = brackets.replace(b"[]", b"")
        return b"[" in brackets

    def check_batch(self, samples: int) -> None:
        """Raise BodyTooLarge where a request holds more samples than one may."""
        if samples > self.batch:
            raise BodyTooLarge(
                f"{samples} samples came; one request may have {self.batch} (TWITE_MAX_BATCH)"
            )


DEFAULT_BOUNDS = Bounds()
