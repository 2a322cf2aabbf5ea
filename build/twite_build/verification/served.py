"""The bundle as written: asked as a server is asked, and judged once more.

The candidate was measured on preprocessed samples. Here a child process loads the finished bundle,
replays its golden samples and answers every evaluation sample from a request's bytes, so that
decoding, preprocessing, postprocessing and the files themselves are part of what is verified.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twite import bundle
from twite.child import run_in_child
from twite.decode import Decoded
from twite.errors import VerificationFailed
from twite.manifest import ClassPostprocessing, TensorPreprocessing, TextPreprocessing
from twite.model import Model
from twite.quantized import dequantize, quantize
from twite.signatures import further
from twite.tensors import Tensors
from twite_build.scratch import load_tensors, save_tensors
from twite_build.verification import scores
from twite_build.verification.engines import EnginePlace
from twite_build.verification.reference import Reference
from twite_build.verification.verify import Verdict, score_problems, scored

BATCH = 64
CHILD = "twite_build.verification.served:answer_in_child"


def check_bundle(
    path: Path, samples: Path, reference: Reference, place: EnginePlace, timeout_s: float
) -> None:
    """Raise VerificationFailed unless the bundle at path passes the gate by its own answers.

    samples are the decoded evaluation samples.
    """
    outputs = path.with_name("served.npz")
    request = {"bundle": str(path), "samples": str(samples), "outputs": str(outputs)}
    told = run_in_child(CHILD, request, timeout_s=timeout_s, python=place.command)
    answers = load_tensors(outputs)
    verdict = scored(Verdict("bundle", None), answers, reference)
    problems = list(score_problems(verdict, reference)) or list(
        _answer_problems(told["first"], answers, reference)
    )
    if problems:
        raise VerificationFailed(f"the bundle as written, asked as a server: {problems[0]}")


def _answer_problems(first: list[str], outputs: Tensors, reference: Reference) -> Iterator[str]:
    """Whether the JSON says what the outputs say; first are the answers' first classes."""
    task = reference.task
    if isinstance(task.how, ClassPostprocessing):
        wanted = [task.labels[number] for number in scores.predictions(task, outputs)]
        wrong = sum(a != b for a, b in zip(first, wanted, strict=True))
        if wrong:
            yield f"{wrong} of {len(wanted)} answers name another class than their outputs"


def answer_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's side: golden samples, then requests; raises what a device would."""
    loaded = bundle.load(Path(request["bundle"]))
    model = Model(loaded)
    model.replay()
    for each in further(loaded.manifest):
        Model(loaded.view(each.name)).replay()
    samples = load_tensors(Path(request["samples"]))
    answered: list[Tensors] = []
    first: list[str] = []
    for batch in _batches(samples):
        decoded = _decode(model, batch)
        outputs = model.infer(decoded.tensors)
        asked = decoded._replace(is_batch=True)
        predictions = json.loads(model.answer(outputs, asked))["prediction"]
        if isinstance(model.manifest.postprocessing, ClassPostprocessing):
            first += [classes[0]["class"] for classes in predictions]
        answered.append(dequantize(outputs, model.manifest.outputs))
    whole = {name: np.concatenate([one[name] for one in answered]) for name in answered[0]}
    save_tensors(Path(request["outputs"]), whole)
    return {"first": first}


def _decode(model: Model, batch: Tensors) -> Decoded:
    """What a request that carries the batch decodes to."""
    how = model.manifest.preprocessing
    if isinstance(how, TextPreprocessing):
        # The samples are token numbers already; a request brings text.
        return Decoded(batch, True)
    if isinstance(how, TensorPreprocessing):
        batch = quantize(batch, model.manifest.inputs)
    if len(batch) == 1:
        (array,) = batch.values()
        return model.decode(bundle.npy(array), "application/x-npy")
    inputs = {name: array.tolist() for name, array in batch.items()}
    return model.decode(json.dumps({"inputs": inputs}).encode(), "application/json")


def _batches(samples: Tensors) -> Iterator[Tensors]:
    count = len(next(iter(samples.values())))
    for start in range(0, count, BATCH):
        yield {name: array[start : start + BATCH] for name, array in samples.items()}
