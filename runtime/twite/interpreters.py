"""The interpreters that one thread owns: one of a single core, and a wide one for quiet times.

A request that is alone is answered sooner by an interpreter of all cores; requests that come
together are answered sooner by an interpreter a core.
"""

import logging

from twite.errors import TwiteError
from twite.model import Model

log = logging.getLogger("twite")

WIDE_FROM_S = 1e-3
"""A faster inference gains nothing from more threads."""
LEAST_GAIN = 1.2


class Interpreters:
    """Made when they are needed, and each verified with the golden samples.

    narrow is None where this thread has to make its own; template tells of what.
    """

    __slots__ = ("_is_wide_wanted", "_narrow", "_template", "_wide")

    def __init__(self, template: Model, narrow: Model | None, *, may_widen: bool) -> None:
        self._template = template
        self._narrow = narrow
        self._wide: Model | None = None
        self._is_wide_wanted = may_widen

    def choose(self, *, alone: bool) -> Model:
        """The interpreter for the next inference; alone when no other request is there."""
        if alone and self._wide:
            return self._wide
        if self._narrow is None:
            self._narrow = self._make(self._template.engine.threads)
            self._narrow.replay(1)
        return self._narrow

    def widen(self, cores: int) -> None:
        """Make the wide interpreter and keep it where it is faster; once, in a quiet moment."""
        if not self._is_wide_wanted:
            return
        self._is_wide_wanted = False
        narrow_s = _fastest(self.choose(alone=False))
        if narrow_s < WIDE_FROM_S:
            return
        try:
            wide = self._make(cores)
            if _fastest(wide) * LEAST_GAIN <= narrow_s:
                self._wide = wide
        except TwiteError as error:
            log.warning("no interpreter of %d threads: %s", cores, error)

    def _make(self, threads: int) -> Model:
        return Model(self._template.bundle, threads)


def _fastest(model: Model) -> float:
    """Of three: the first ones warm the caches."""
    return min(model.replay(1) for _ in range(3))
