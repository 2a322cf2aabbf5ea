"""`POST …/infer` of the Open Inference Protocol v2: a request to tensors, outputs to an answer."""

from typing import Any, NamedTuple

import numpy as np

from twite.arrays import name_json
from twite.errors import RequestError
from twite.fields import suggestion
from twite.json_text import holds_booleans
from twite.manifest import ClassPostprocessing
from twite.model import Model
from twite.pool import Work
from twite.postprocess import confidences
from twite.quantized import dequantize
from twite.repository import Served
from twite.server.documents import dump, parse_object
from twite.server.exchange import Answer, Request
from twite.server.intake import check_batches, decoding_bytes
from twite.server.oip_tensors import (
    Shape,
    check_datatype,
    datatype_of,
    from_binary,
    from_json,
    from_raw,
    to_binary,
    to_json,
)
from twite.server.signatures import check, in_json
from twite.tensors import Array, Tensors, TensorSpec

BINARY = "application/octet-stream"
SIGNATURE = "signature"
LENGTH_HEADER = "inference-header-content-length"

# The dimensions that every numpy can hold, and what no tensor of this server could reach.
MOST_DIMENSIONS, LONGEST_DIMENSION = 32, 2**31


class Output(NamedTuple):
    """An output that the request asked for; classes > 0 are the best that many as texts."""

    name: str
    is_binary: bool
    classes: int = 0


class Wanted(NamedTuple):
    """How the answer is to look: its id, and the outputs in their order."""

    id: str | None
    outputs: tuple[Output, ...]


async def infer(served: Served, request: Request) -> Answer:
    """Answer an inference request, JSON or binary."""
    if request.headers.get("content-encoding", "identity") != "identity":
        came = request.headers["content-encoding"]
        raise RequestError(f"the body is compressed ({came:.40}); send it as it is")
    main, served = served, _chosen(served, request)
    model, body = served.model, memoryview(request.body)
    wanted: list[Wanted] = []

    def decode() -> Tensors:
        length = json_length(request)
        if length is None:
            outputs = tuple(Output(spec.name, True) for spec in model.manifest.outputs)
            wanted.append(Wanted(None, outputs))
            return _raw_input(body, model)
        text = request.body if length == len(body) else request.body[:length]
        model.bounds.check_json(text)
        table = parse_object(text)
        check(_parameters(table).get(SIGNATURE, ""), SIGNATURE, served, main)
        wanted.append(_wanted(table, model))
        return _inputs(table, text, body[length:], model)

    def answer(outputs: Tensors) -> Answer:
        return encode(outputs, wanted[0], served)

    mark = b"" if request.headers.get(LENGTH_HEADER) == "0" else b'"BYTES"'
    size_bytes = decoding_bytes(request.body, model, mark)
    return await served.pool.run(Work(decode, answer, size_bytes))


def _chosen(served: Served, request: Request) -> Served:
    """The signature that the request's parameters name; raises NotFound."""
    if not served.signatures or not (length := json_length(request)):
        return served
    return served.signature(in_json(request.body[:length], SIGNATURE))


def json_length(request: Request) -> int | None:
    """How many bytes of the body are JSON; None where the body is all one input."""
    text = request.headers.get(LENGTH_HEADER)
    if text is None:
        return len(request.body)
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= len(request.body)):
        came = f"{LENGTH_HEADER} is {text!r:.40}"
        raise RequestError(f"{came}; it must be 0 to {len(request.body)}, the bytes of the body")
    return int(text) or None


def _raw_input(body: memoryview, model: Model) -> Tensors:
    inputs = model.manifest.inputs
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise RequestError(f"a body without JSON is for models of one input; this one has {names}")
    tensors = {inputs[0].name: from_raw(body, inputs[0], model.manifest)}
    check_batches(tensors, model)
    return tensors


def _inputs(table: dict[str, Any], text: bytes, binary: memoryview, model: Model) -> Tensors:
    specs = {spec.name: spec for spec in model.manifest.inputs}
    inputs = _tables(table.get("inputs"), "inputs")
    has_booleans = holds_booleans(text)
    tensors: Tensors = {}
    place = 0
    for entry in inputs:
        spec = _known(entry.get("name"), specs, tensors)
        shape, datatype = _shape(entry.get("shape"), spec), entry.get("datatype")
        check_datatype(datatype, spec, model.manifest)
        size = _parameters(entry).get("binary_data_size")
        if size is None:
            tensors[spec.name] = from_json(
                entry.get("data"),
                shape,
                str(datatype),
                spec,
                model.manifest,
                has_booleans=has_booleans,
            )
            continue
        content = _slice(binary, place, size, spec)
        place += len(content)
        tensors[spec.name] = from_binary(content, shape, str(datatype), spec, model.manifest)
    _check_complete(tensors, specs, len(binary) - place)
    check_batches(tensors, model)
    return tensors


def _slice(binary: memoryview, place: int, size: object, spec: TensorSpec) -> memoryview:
    if type(size) is not int or not 0 <= size <= len(binary) - place:
        left = len(binary) - place
        raise RequestError(
            f"input '{spec.name}' has binary_data_size {size!r:.40}; {left} bytes are left of the "
            f"body behind the JSON ({LENGTH_HEADER} says where that ends)"
        )
    return binary[place : place + size]


def _known(name: object, specs: dict[str, TensorSpec], tensors: Tensors) -> TensorSpec:
    if not isinstance(name, str) or name not in specs:
        hint = suggestion(str(name)[:60], list(specs))
        raise RequestError(f"there is no input {name!r:.60}{hint}")
    if name in tensors:
        raise RequestError(f"input '{name}' comes twice")
    return specs[name]


def _shape(value: object, spec: TensorSpec) -> Shape:
    fits = isinstance(value, list) and len(value) <= MOST_DIMENSIONS
    if not fits or not all(
        type(size) is int and 0 <= size < LONGEST_DIMENSION
        for size in value  # type: ignore[attr-defined]
    ):
        came = f"input '{spec.name}' has shape {value!r:.60}"
        raise RequestError(f"{came}; it must be a list of whole numbers")
    return tuple(value)  # type: ignore[arg-type]


def _check_complete(tensors: Tensors, specs: dict[str, TensorSpec], left: int) -> None:
    lacking = ", ".join(f"'{name}'" for name in specs if name not in tensors)
    if lacking:
        raise RequestError(f"the request lacks the input {lacking}")
    if left:
        raise RequestError(f"{left} bytes of the body are left behind the last binary input")


def _wanted(table: dict[str, Any], model: Model) -> Wanted:
    came = table.get("id")
    if came is not None and not isinstance(came, str):
        raise RequestError(f"id is {name_json(came)}; it must be text")
    is_binary = _parameters(table).get("binary_data_output") is True
    names = [spec.name for spec in model.manifest.outputs]
    if table.get("outputs") is None:
        return Wanted(came, tuple(Output(name, is_binary) for name in names))
    asked = _tables(table["outputs"], "outputs")
    return Wanted(came, tuple(_output(entry, names, is_binary, model) for entry in asked))


def _output(entry: dict[str, Any], names: list[str], is_binary: bool, model: Model) -> Output:
    name, parameters = entry.get("name"), _parameters(entry)
    if name not in names:
        hint = suggestion(str(name)[:60], names)
        raise RequestError(f"there is no output {name!r:.60}{hint}")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        came = f"output '{name}' has classification {classes!r:.40}"
        raise RequestError(f"{came}; it must be how many classes to answer")
    if classes and not _classes_of(str(name), model):
        raise RequestError(f"output '{name}' has no classes; ask for it without classification")
    return Output(str(name), parameters.get("binary_data", is_binary) is True, classes)


def _classes_of(name: str, model: Model) -> ClassPostprocessing | None:
    how = model.manifest.postprocessing
    return how if isinstance(how, ClassPostprocessing) and how.output == name else None


def _tables(value: object, key: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise RequestError(f"{key} is {name_json(value)}; it must be a list of objects")
    if not value:
        raise RequestError(f"{key} is empty; it must name at least one")
    return value


def _parameters(table: dict[str, Any]) -> dict[str, Any]:
    found = table.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise RequestError(f"parameters is {name_json(found)}; it must be an object")
    return found or {}


def encode(outputs: Tensors, wanted: Wanted, served: Served) -> Answer:
    """The raw outputs as an answer; raises RequestError where JSON cannot say a number."""
    entries: list[dict[str, object]] = []
    contents: list[bytes] = []
    for output in wanted.outputs:
        array = outputs[output.name]
        if output.classes and (how := _classes_of(output.name, served.model)):
            array = dequantize(outputs, served.model.manifest.outputs)[output.name]
            array = _best(array, output.classes, how, served.model.bundle.labels)
        entry: dict[str, object] = {
            "name": output.name,
            "shape": [*array.shape],
            "datatype": datatype_of(array),
        }
        if output.is_binary:
            contents.append(to_binary(array))
            entry["parameters"] = {"binary_data_size": len(contents[-1])}
        else:
            entry["data"] = to_json(array, output.name)
        entries.append(entry)
    table: dict[str, object] = {
        "model_name": served.name,
        "model_version": served.version,
        "outputs": entries,
    }
    if wanted.id is not None:
        table["id"] = wanted.id
    try:
        head = dump(table)
    except ValueError as error:
        message = "an output is NaN or infinity, which JSON cannot say"
        raise RequestError(f"{message}; ask for it as binary_data") from error
    if not contents:
        return Answer(200, head)
    headers = ((LENGTH_HEADER, str(len(head))),)
    return Answer(200, b"".join([head, *contents]), BINARY, headers)


def _best(scores: Array, count: int, how: ClassPostprocessing, labels: tuple[str, ...]) -> Array:
    """(N, classes) to the best as texts `confidence:index:label`, Triton's classification."""
    shares = confidences(scores, how)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :count]
    best = [
        [f"{share[i]:.6f}:{i}:{labels[i]}" for i in row]
        for row, share in zip(order, shares, strict=True)
    ]
    return np.array(best, dtype=object)
