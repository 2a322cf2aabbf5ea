"""What is counted while serving, in memory that the processes of one server may share.

A model's numbers are a row of doubles. Each process writes its own rows, so nothing is locked, and
whoever is asked for the metrics adds the rows of all processes.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

CODES = (200, 400, 401, 404, 405, 413, 415, 499, 500, 501, 503, 504)
"""HTTP status of a request; 499 is a client that left, what is not listed counts as 500."""

SECONDS = (25e-6, 1e-4, 25e-5, 5e-4, 1e-3, 25e-4, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
SAMPLES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Upper bounds of the histograms' buckets; the last one, infinity, is not listed."""

_CODE_SLOTS = len(CODES)
_TIME_SLOTS, _SAMPLE_SLOTS = len(SECONDS) + 2, len(SAMPLES) + 2
_INFERENCE = _CODE_SLOTS
_QUEUE = _INFERENCE + _TIME_SLOTS
_BATCH = _QUEUE + _TIME_SLOTS
_INFLIGHT = _BATCH + _SAMPLE_SLOTS
_WAITING = _INFLIGHT + 1
SLOTS = _WAITING + 1
MOST_MODELS = 256

_SLOT_OF_CODE = {code: slot for slot, code in enumerate(CODES)}
_OTHER = _SLOT_OF_CODE[500]

Row: TypeAlias = "array[float] | memoryview[float]"


class Histogram(NamedTuple):
    """counts has one more entry than bounds: what is above the last."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Snapshot(NamedTuple):
    """A model's numbers over all processes; durations in seconds, batches in samples."""

    requests: dict[int, int]
    inference: Histogram
    queue: Histogram
    batch: Histogram
    inflight: int
    waiting: int


class Telemetry:
    """One model's row in one process; every method takes well under a microsecond."""

    __slots__ = ("_row",)

    def __init__(self, row: "Row | None" = None) -> None:
        self._row = array("d", bytes(8 * SLOTS)) if row is None else row

    def request(self, code: int) -> None:
        self._row[_SLOT_OF_CODE.get(code, _OTHER)] += 1

    def inference(self, seconds: float, samples: int) -> None:
        """One call of the engine; several requests may have shared it."""
        row = self._row
        row[_INFERENCE + bisect_left(SECONDS, seconds)] += 1
        row[_QUEUE - 1] += seconds
        row[_BATCH + bisect_left(SAMPLES, samples)] += 1
        row[_INFLIGHT - 1] += samples

    def queued(self, seconds: float) -> None:
        row = self._row
        row[_QUEUE + bisect_left(SECONDS, seconds)] += 1
        row[_BATCH - 1] += seconds

    def load(self, inflight: int, waiting: int) -> None:
        """How many requests are computed or wait now, and how many of them wait."""
        self._row[_INFLIGHT] = inflight
        self._row[_WAITING] = waiting

    @property
    def row(self) -> Row:
        return self._row


def snapshot(rows: Sequence[Row]) -> Snapshot:
    """The sum of the rows that the server's processes wrote for one model."""
    total = [sum(row[slot] for row in rows) for slot in range(SLOTS)]
    return Snapshot(
        {code: int(total[slot]) for slot, code in enumerate(CODES) if total[slot]},
        _histogram(SECONDS, total[_INFERENCE:_QUEUE]),
        _histogram(SECONDS, total[_QUEUE:_BATCH]),
        _histogram(SAMPLES, total[_BATCH:_INFLIGHT]),
        int(total[_INFLIGHT]),
        int(total[_WAITING]),
    )


def _histogram(bounds: tuple[float, ...], slots: Sequence[float]) -> Histogram:
    return Histogram(bounds, tuple(int(count) for count in slots[:-1]), slots[-1])


class Ledger:
    """The rows of every model in every process of a server.

    Made before the processes are: with more than one its memory is shared with those that are
    forked afterwards, which set `process` to their own number.
    """

    def __init__(self, processes: int = 1, models: int = MOST_MODELS) -> None:
        self.process = 0
        self.processes = processes
        self._models = models
        self._shared: memoryview[float] | None = None
        self._own: dict[int, Telemetry] = {}
        if processes > 1:
            from mmap import mmap

            self._shared = memoryview(mmap(-1, processes * models * SLOTS * 8)).cast("d")

    def telemetry(self, position: int) -> Telemetry:
        """This process' numbers of the model at position."""
        if position not in self._own:
            row = self._row(self.process, position) if position < self._models else None
            self._own[position] = Telemetry(row)
        return self._own[position]

    def snapshot(self, *positions: int) -> Snapshot:
        """The sum over these positions and all processes; beyond `models` of this one alone."""
        return snapshot([row for position in positions for row in self._rows(position)])

    def _rows(self, position: int) -> "list[Row]":
        if self._shared is None or position >= self._models:
            return [self.telemetry(position).row]
        rows = [self._row(process, position) for process in range(self.processes)]
        return [row for row in rows if row is not None]

    def _row(self, process: int, position: int) -> "Row | None":
        if self._shared is None:
            return None
        start = (process * self._models + position) * SLOTS
        return self._shared[start : start + SLOTS]
