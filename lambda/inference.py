"""The model and who may run it: one request at a time, each in the thread that brought it."""

from threading import Lock, local
from time import perf_counter

from twite.arrays import name_json
from twite.errors import NotFound, RequestError
from twite.model import Model
from twite.signatures import main_name, unknown
from twite.tensors import Tensors


class Inference:
    """Requests of several threads take turns; a function has a core or two, and one interpreter.

    load_s is what loading and verifying took. further are the model's other signatures by name.
    """

    def __init__(self, model: Model, load_s: float, further: dict[str, Model]) -> None:
        self.model = model
        self.further = further
        self.load_s = load_s
        self._turn = Lock()
        self._thread = local()

    def of_signature(self, name: object) -> Model:
        """The model of the signature of this name; raises RequestError or NotFound."""
        if not isinstance(name, str):
            raise RequestError(f"signature is {name_json(name)}; it must be a name")
        manifest = self.model.manifest
        if name == main_name(manifest):
            return self.model
        if name not in self.further:
            raise NotFound(unknown(name, manifest))
        return self.further[name]

    def run(self, tensors: Tensors, model: Model | None = None) -> Tensors:
        """Decoded tensors to raw outputs; raises EngineError."""
        with self._turn:
            begin = perf_counter()
            outputs = (model or self.model).infer(tensors)
            self._thread.took_s = perf_counter() - begin
        return outputs

    def took_s(self) -> float | None:
        """Seconds of this thread's last inference, once; None where there was none since."""
        took_s: float | None = self._thread.__dict__.pop("took_s", None)
        return took_s
