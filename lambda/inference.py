"""The model and who may run it: one request at a time, each in the thread that brought it."""

from threading import Lock, local
from time import perf_counter

from twite.model import Model
from twite.tensors import Tensors


class Inference:
    """Requests of several threads take turns; a function has a core or two, and one interpreter."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._turn = Lock()
        self._thread = local()

    def run(self, tensors: Tensors) -> Tensors:
        """Decoded tensors to raw outputs; raises EngineError."""
        with self._turn:
            begin = perf_counter()
            outputs = self.model.infer(tensors)
            self._thread.took_s = perf_counter() - begin
        return outputs

    def took_s(self) -> float | None:
        """Seconds of this thread's last inference, once; None where there was none since."""
        took_s: float | None = self._thread.__dict__.pop("took_s", None)
        return took_s
