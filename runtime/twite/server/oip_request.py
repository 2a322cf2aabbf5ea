"""An inference request of the Open Inference Protocol v2: what its JSON says, and its tensors."""

from typing import Any, NamedTuple

from twite.arrays import name_json
from twite.errors import RequestError
from twite.fields import suggestion
from twite.json_text import holds_booleans
from twite.manifest import ClassPostprocessing
from twite.model import Model
from twite.server.exchange import Request
from twite.server.intake import check_batches
from twite.server.long_numbers import LongNumbers
from twite.server.oip_tensors import (
    Shape,
    check_datatype,
    from_binary,
    from_json,
    from_long_json,
    from_raw,
)
from twite.tensors import Tensors, TensorSpec

LENGTH_HEADER = "inference-header-content-length"

# The dimensions that every numpy can hold, and what no tensor of this server could reach.
MOST_DIMENSIONS, LONGEST_DIMENSION = 32, 2**31


class Input(NamedTuple):
    """An input that came: size says how many bytes behind the JSON are its own, None for data."""

    spec: TensorSpec
    shape: Shape
    datatype: str
    size: object
    data: object


class Output(NamedTuple):
    """An output that the request asked for; classes > 0 are the best that many as texts."""

    name: str
    is_binary: bool
    classes: int = 0


class Wanted(NamedTuple):
    """How the answer is to look: its id, and the outputs in their order."""

    id: str | None
    outputs: tuple[Output, ...]


class Asked(NamedTuple):
    """What the JSON of a request says; has_booleans as in `read_numbers`."""

    inputs: tuple[Input, ...]
    wanted: Wanted
    has_booleans: bool


def json_length(request: Request) -> int | None:
    """How many bytes of the body are JSON; None where the body is all one input."""
    text = request.headers.get(LENGTH_HEADER)
    if text is None:
        return request.size_bytes
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= request.size_bytes):
        came = f"{LENGTH_HEADER} is {text!r:.40}"
        raise RequestError(f"{came}; it must be 0 to {request.size_bytes}, the bytes of the body")
    return int(text) or None


def raw_input(body: memoryview, model: Model) -> Tensors:
    """The tensors of a body without JSON."""
    inputs = model.manifest.inputs
    if len(inputs) != 1:
        names = ", ".join(spec.name for spec in inputs)
        raise RequestError(f"a body without JSON is for models of one input; this one has {names}")
    tensors = {inputs[0].name: from_raw(body, inputs[0], model.manifest)}
    check_batches(tensors, model)
    return tensors


def asked_of(table: dict[str, Any], text: bytes, model: Model) -> Asked:
    """What the parsed JSON of a request says; text is what was parsed. Raises RequestError."""
    wanted = _wanted(table, model)
    specs = {spec.name: spec for spec in model.manifest.inputs}
    inputs: dict[str, Input] = {}
    for entry in _tables(table.get("inputs"), "inputs"):
        spec = _known(entry.get("name"), specs, inputs)
        shape, datatype = _shape(entry.get("shape"), spec), entry.get("datatype")
        check_datatype(datatype, spec, model.manifest)
        size = parameters_of(entry).get("binary_data_size")
        inputs[spec.name] = Input(spec, shape, str(datatype), size, entry.get("data"))
    lacking = ", ".join(f"'{name}'" for name in specs if name not in inputs)
    if lacking:
        raise RequestError(f"the request lacks the input {lacking}")
    return Asked(tuple(inputs.values()), wanted, holds_booleans(text))


def tensors_of(asked: Asked, binary: memoryview, model: Model) -> Tensors:
    """The tensors; binary is what follows the JSON. Raises RequestError."""
    tensors: Tensors = {}
    place, manifest, has_booleans = 0, model.manifest, asked.has_booleans
    for spec, shape, datatype, size, data in asked.inputs:
        if isinstance(data, LongNumbers):
            most = model.bounds.json_numbers
            tensors[spec.name] = from_long_json(data, shape, datatype, spec, manifest, most=most)
            continue
        if size is None:
            tensors[spec.name] = from_json(
                data, shape, datatype, spec, manifest, has_booleans=has_booleans
            )
            continue
        content = _slice(binary, place, size, spec)
        place += len(content)
        tensors[spec.name] = from_binary(content, shape, datatype, spec, manifest)
    if left := len(binary) - place:
        raise RequestError(f"{left} bytes of the body are left behind the last binary input")
    check_batches(tensors, model)
    return tensors


def parameters_of(table: dict[str, Any]) -> dict[str, Any]:
    found = table.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise RequestError(f"parameters is {name_json(found)}; it must be an object")
    return found or {}


def classes_of(name: str, model: Model) -> ClassPostprocessing | None:
    """How an output becomes classes; None where it has none."""
    how = model.manifest.postprocessing
    return how if isinstance(how, ClassPostprocessing) and how.output == name else None


def _slice(binary: memoryview, place: int, size: object, spec: TensorSpec) -> memoryview:
    if type(size) is not int or not 0 <= size <= len(binary) - place:
        left = len(binary) - place
        raise RequestError(
            f"input '{spec.name}' has binary_data_size {size!r:.40}; {left} bytes are left of the "
            f"body behind the JSON ({LENGTH_HEADER} says where that ends)"
        )
    return binary[place : place + size]


def _known(name: object, specs: dict[str, TensorSpec], inputs: dict[str, Input]) -> TensorSpec:
    if not isinstance(name, str) or name not in specs:
        hint = suggestion(str(name)[:60], list(specs))
        raise RequestError(f"there is no input {name!r:.60}{hint}")
    if name in inputs:
        raise RequestError(f"input '{name}' comes twice")
    return specs[name]


def _shape(value: object, spec: TensorSpec) -> Shape:
    if isinstance(value, list) and len(value) <= MOST_DIMENSIONS:
        if all(type(size) is int and 0 <= size < LONGEST_DIMENSION for size in value):
            return tuple(value)
    came = f"input '{spec.name}' has shape {value!r:.60}"
    raise RequestError(f"{came}; it must be a list of whole numbers")


def _wanted(table: dict[str, Any], model: Model) -> Wanted:
    came = table.get("id")
    if came is not None and not isinstance(came, str):
        raise RequestError(f"id is {name_json(came)}; it must be text")
    is_binary = parameters_of(table).get("binary_data_output") is True
    names = [spec.name for spec in model.manifest.outputs]
    if table.get("outputs") is None:
        return Wanted(came, tuple(Output(name, is_binary) for name in names))
    asked = _tables(table["outputs"], "outputs")
    return Wanted(came, tuple(_output(entry, names, is_binary, model) for entry in asked))


def _output(entry: dict[str, Any], names: list[str], is_binary: bool, model: Model) -> Output:
    name, parameters = entry.get("name"), parameters_of(entry)
    if name not in names:
        hint = suggestion(str(name)[:60], names)
        raise RequestError(f"there is no output {name!r:.60}{hint}")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        came = f"output '{name}' has classification {classes!r:.40}"
        raise RequestError(f"{came}; it must be how many classes to answer")
    if classes and not classes_of(str(name), model):
        raise RequestError(f"output '{name}' has no classes; ask for it without classification")
    return Output(str(name), parameters.get("binary_data", is_binary) is True, classes)


def _tables(value: object, key: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise RequestError(f"{key} is {name_json(value)}; it must be a list of objects")
    if not value:
        raise RequestError(f"{key} is empty; it must name at least one")
    return value
