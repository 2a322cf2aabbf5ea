"""The flow of a request: decode → preprocess → engine → postprocess → encode."""

from collections.abc import Callable
from time import perf_counter

import numpy as np

from twite.accelerators.engine import AcceleratedEngine
from twite.bounds import DEFAULT_BOUNDS, Bounds
from twite.bundle import Bundle
from twite.decode import Decoded, decode, decode_value, request_format
from twite.encode import encode
from twite.engine import Engine
from twite.errors import EngineError, VerificationFailed
from twite.manifest import RegressionPostprocessing, TensorPostprocessing
from twite.postprocess import postprocess
from twite.prepare import integer_features, prepare
from twite.quantized import dequantize
from twite.tensors import Array, Tensors, TensorSpec

Accelerate = Callable[[Engine], AcceleratedEngine]


class Model:
    """A bundle in an engine, ready to answer; one owner at a time.

    Raises EngineError when the model's tensors are not those of the manifest.
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        bounds: Bounds = DEFAULT_BOUNDS,
        accelerate: Accelerate | None = None,
    ) -> None:
        self.bundle = bundle
        self.bounds = bounds
        self.accelerate = accelerate
        self.cpu = Engine(bundle.model_path, threads, bundle.signature)
        self.engine: Engine | AcceleratedEngine = accelerate(self.cpu) if accelerate else self.cpu
        self.manifest = bundle.manifest
        _check_tensors(self.cpu, self.manifest.inputs, self.manifest.outputs)
        self._wanted = request_format(self.manifest, bounds)
        self._scene = bundle.scene()
        self._integers = integer_features(self.manifest)
        how = self.manifest.postprocessing
        self._tells_numbers = isinstance(how, TensorPostprocessing | RegressionPostprocessing)

    def predict(self, body: bytes, content_type: str) -> bytes:
        """Answer one request body with a JSON document.

        Raises RequestError or below when the body is not what the bundle takes.
        """
        request = self.decode(body, content_type)
        return self.answer(self.infer(request.tensors), request)

    def decode(self, body: bytes, content_type: str) -> Decoded:
        """The body's tensors; raises RequestError or below."""
        return self._bounded(decode(body, content_type, self._wanted))

    def decode_value(self, value: object) -> Decoded:
        """The tensors of JSON that is parsed already; raises RequestError or below."""
        return self._bounded(decode_value(value, self._wanted))

    def _bounded(self, decoded: Decoded) -> Decoded:
        if decoded.is_batch:
            self.bounds.check_batch(max(map(len, decoded.tensors.values())))
        return decoded

    def warnings(self) -> list[str]:
        """What differs here from where the bundle was verified, a sentence each."""
        engine, found = self.engine, []
        verified = [f"{known.name} {known.version}" for known in self.manifest.engines]
        if f"{engine.name} {engine.version}" not in verified:
            found.append(
                f"this engine is {engine.name} {engine.version}; the bundle was verified on "
                f"{', '.join(verified) or 'none'}: its golden samples decide"
            )
        if not engine.xnnpack:
            found.append("XNNPACK took no operator of this model: it will run slowly")
        return found

    def infer(self, tensors: Tensors) -> Tensors:
        """Decoded tensors to the model's raw outputs, integers where it is quantized throughout.

        Features that come as the integers of a quantized input are prepared already.
        """
        return self._infer(self.engine, tensors)

    def _infer(self, engine: Engine | AcceleratedEngine, tensors: Tensors) -> Tensors:
        return engine.run(prepare(tensors, self.manifest, self._integers))

    def answer(self, outputs: Tensors, request: Decoded, top_k: int | None = None) -> bytes:
        """Raw outputs to the JSON document of an answer.

        top_k is how many classes or boxes the caller asked for, instead of what the bundle says.
        """
        numbers = sum(array.size for array in outputs.values()) if self._tells_numbers else 0
        return encode(self.prediction(outputs, request, top_k), numbers=numbers)

    def prediction(self, outputs: Tensors, request: Decoded, top_k: int | None = None) -> object:
        """Raw outputs to what an answer holds, before it is JSON; it may have NaN."""
        prediction = self.postprocess(outputs, request, top_k)
        return prediction if request.is_batch else _only(prediction)

    def postprocess(
        self, outputs: Tensors, request: Decoded, top_k: int | None = None
    ) -> list[object] | dict[str, object]:
        """Raw outputs to one prediction a sample, or to a table of tensors."""
        values = dequantize(outputs, self.manifest.outputs)
        scene = self._scene and self._scene._replace(frames=request.frames)
        how = self.manifest.postprocessing
        return postprocess(values, how, self.bundle.labels, scene=scene, top_k=top_k)

    def replay(self, most: int | None = None) -> float:
        """Answer the golden samples on the CPU and compare; the fastest inference in seconds.

        most bounds how many, for another interpreter of a model that was verified in whole.

        Raises VerificationFailed when an output is farther off than its tolerance.
        """
        inputs, wanted = self.bundle.golden_inputs(), self.bundle.golden_outputs()
        fastest = float("inf")
        for i in range(min(self.manifest.golden.count, most or self.manifest.golden.count)):
            start = perf_counter()
            sample = {name: array[i : i + 1] for name, array in inputs.items()}
            outputs = self._infer(self.cpu, sample)
            fastest = min(fastest, perf_counter() - start)
            for name, tolerance in self.manifest.golden.tolerance.items():
                _compare(name, i, outputs[name], wanted[name][i : i + 1], tolerance)
        return fastest


def _only(prediction: list[object] | dict[str, object]) -> object:
    """The prediction of a request that sent one sample without a batch dimension."""
    if isinstance(prediction, dict):
        return {
            name: rows[0] if isinstance(rows, list) and len(rows) == 1 else rows
            for name, rows in prediction.items()
        }
    return prediction[0]


def _compare(name: str, sample: int, came: Array, wanted: Array, tolerance: float) -> None:
    if came.shape != wanted.shape:
        raise VerificationFailed(
            f"golden sample {sample}: output '{name}' is {came.shape}; it was {wanted.shape}"
        )
    difference = np.abs(came.astype(np.float64) - wanted.astype(np.float64))
    worst = float(difference.max(initial=0.0))
    if not worst <= tolerance:
        raise VerificationFailed(
            f"golden sample {sample}: output '{name}' is off by {worst:g}; the bundle allows "
            f"{tolerance:g}: this machine or engine does not compute what was verified"
        )


def _check_tensors(
    engine: Engine, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> None:
    pairs = (("inputs", engine.inputs, inputs), ("outputs", engine.outputs, outputs))
    for kind, found, promised in pairs:
        if set(found) != set(promised):
            raise EngineError(
                f"the model's {kind} are {_spell(found)}; the manifest says {_spell(promised)}"
            )


def _spell(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"'{spec.name}' {spec}" for spec in specs)
