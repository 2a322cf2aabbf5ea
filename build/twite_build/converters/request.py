"""What every converter is asked and answers: samples in, a float32 .tflite and answers out.

    convert(request) -> {"inputs": …, "outputs": …, "tools": …, "notes": …, "files": …}

The source framework itself answers the samples, for the candidates are compared with it and not
with a converted file. Converters run in a child process and import what is heavy inside.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twite.errors import ShapeMismatch, TwiteError
from twite.fields import from_table, to_table
from twite.tensors import Array, Tensors, TensorSpec
from twite_build.data.drawn import samples_for
from twite_build.errors import DataError, RecipeError, SourceError
from twite_build.recipe import Source
from twite_build.scratch import load_tensors, save_model, save_tensors

BATCH = 64


class Request(NamedTuple):
    """path is the source, samples the preprocessed evaluation samples, the others to be written."""

    path: Path
    source: Source
    samples: Tensors
    model: Path
    outputs: Path
    raw: Mapping[str, Any]


class Further(NamedTuple):
    """A signature beside the main one: samples of its own and the source's answers to them."""

    name: str
    inputs: Sequence[TensorSpec]
    samples: Tensors
    answers: Tensors
    note: str


class Converted(NamedTuple):
    """A converter's result; answers are the source's own, (N, ...) an output.

    signature is the main one's name where the model has several.
    """

    content: bytes
    inputs: Sequence[TensorSpec]
    answers: Tensors
    tools: Sequence[str]
    notes: Sequence[str] = ()
    files: Mapping[str, str] = {}
    quantization: str | None = None
    signature: str | None = None
    further: Sequence[Further] = ()


def read(request: Mapping[str, Any]) -> Request:
    table = request.get("options", {"file": request["source"]})
    return Request(
        Path(request["source"]),
        from_table(Source, table, "[source]", RecipeError),
        load_tensors(Path(request["samples"])),
        Path(request["model"]),
        Path(request["outputs"]),
        request,
    )


def write(request: Request, converted: Converted) -> dict[str, Any]:
    save_tensors(request.outputs, converted.answers)
    save_model(request.model, converted.content)
    for i, each in enumerate(converted.further):
        for kind, tensors in (("samples", each.samples), ("answers", each.answers)):
            save_tensors(signature_file(request.model, i, kind), tensors)
    tools = {tool: version(tool) for tool in converted.tools}
    return {
        "inputs": [to_table(spec) for spec in converted.inputs],
        "outputs": list(converted.answers),
        "tools": {**tools, "python": platform.python_version()},
        "notes": [*converted.notes, *(each.note for each in converted.further)],
        "files": dict(converted.files),
        "quantization": converted.quantization,
        "signature": converted.signature,
        "signatures": [
            {"name": each.name, "inputs": [to_table(spec) for spec in each.inputs]}
            for each in converted.further
        ],
    }


def signature_file(model: Path, number: int, kind: str) -> Path:
    """Where the samples and the source's answers of a further signature are kept."""
    return model.with_name(f"signature-{number}.{kind}.npz")


def further(
    name: str,
    inputs: Sequence[TensorSpec],
    samples: Tensors,
    run: Callable[[Tensors], Mapping[str, Array]],
    step: int = BATCH,
) -> Further:
    """Ask the source for another signature; samples are the main one's."""
    for spec in inputs:
        if not spec.is_batched:
            raise SourceError(
                f"signature '{name}': input '{spec.name}' is {spec}; its first dimension must be a "
                "batch; leave the signature out of [source] signatures"
            )
    own, drawn = samples_for(inputs, samples, "evaluation")
    note = f"signature '{name}': {', '.join(drawn)} drawn at random" if drawn else ""
    note = note or f"signature '{name}': asked with the same samples"
    return Further(name, inputs, own, answer_all(run, own, step), note)


def lacks(what: str, extra: str, error: ImportError) -> TwiteError:
    return TwiteError(f'{what} needs {error.name or error}: pip install "twite-build[{extra}]"')


def check_samples(samples: Tensors, inputs: Sequence[TensorSpec]) -> None:
    wanted = [spec.name for spec in inputs]
    if set(samples) != set(wanted):
        raise DataError(
            f"the samples hold {', '.join(sorted(samples))}; the model takes {', '.join(wanted)}: "
            "the arrays and [preprocess] input must have the names of the model's inputs"
        )
    for spec in inputs:
        try:
            spec.check(samples[spec.name])
        except ShapeMismatch as error:
            raise DataError(f"after [preprocess], {error}") from error


def answer_all(
    run: Callable[[Tensors], Mapping[str, Array]], samples: Tensors, step: int = BATCH
) -> Tensors:
    """What run answers to all samples, step at a time; raises DataError where rows get lost."""
    count = len(next(iter(samples.values())))
    batches = []
    for start in range(0, count, step):
        rows = {name: array[start : start + step] for name, array in samples.items()}
        batches.append({name: np.asarray(array) for name, array in run(rows).items()})
    for name, array in batches[0].items():
        if array.ndim == 0 or len(array) != min(step, count):
            raise DataError(
                f"output '{name}' is {array.shape} for {min(step, count)} samples; its first "
                "dimension must count the samples"
            )
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def name_inputs(given: Sequence[str], own: Sequence[str], samples: Tensors) -> list[str]:
    """The inputs' names in the order that the source takes them.

    given by the recipe, or the source's own; a single input takes its only sample's name.
    """
    if given:
        if len(given) != len(own) or len(set(given)) != len(given):
            raise DataError(
                f"[source] inputs has {len(given)} names; the model takes {', '.join(own)}"
            )
        return list(given)
    if len(own) == 1 and len(samples) == 1:
        return list(samples)
    return list(own)


def name_outputs(given: Sequence[str], count: int) -> list[str]:
    """The outputs' names: given by the recipe, or 'output', or numbered."""
    if given and len(given) != count:
        raise RecipeError(f"[source] outputs has {len(given)} names; the model has {count} outputs")
    if given:
        return list(given)
    return ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
