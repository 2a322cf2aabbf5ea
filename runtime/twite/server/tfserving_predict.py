"""`POST …:predict` of TensorFlow Serving: rows (`instances`) or columns (`inputs`) to tensors.

tensorflow.org/tfx/serving/api_rest specifies it. KServe's v1 protocol is its row format.
"""

from base64 import b64decode
from typing import Any, Literal, NamedTuple

from twite.arrays import name_json
from twite.errors import NotFound, RequestError
from twite.fields import suggestion
from twite.json_text import holds_booleans
from twite.model import Model
from twite.quantized import dequantize
from twite.repository import Served
from twite.server.documents import dump, parse_object
from twite.server.exchange import Answer, Request
from twite.server.intake import (
    check_batches,
    decoding_bytes,
    take_array,
    take_bytes,
    takes_bytes,
    text_of,
)
from twite.server.numbers import read_numbers, shape_of
from twite.server.signatures import check, in_json
from twite.signatures import DEFAULT, names
from twite.tensors import Array, DType, Tensors, TensorSpec
from twite.work import Work

SIGNATURE = "signature_name"


class Columns(NamedTuple):
    """What each input holds, by its name, and how the answer is to be laid out."""

    values: dict[str, Any]
    layout: Literal["row", "column"]


async def predict(served: Served, request: Request) -> Answer:
    """Answer rows with `predictions` and columns with `outputs`."""
    body, main = request.body, served
    if served.signatures:
        served = _chosen(served, in_json(body, SIGNATURE))
    model = served.model
    layout: list[Literal["row", "column"]] = []

    def decode() -> Tensors:
        model.bounds.check_json(body)
        table = parse_object(body)
        _check_signature(table.get(SIGNATURE, ""), served, main)
        columns = read_columns(table, model)
        layout.append(columns.layout)
        has_booleans = holds_booleans(body)
        tensors = {
            spec.name: _tensor(columns.values[spec.name], spec, model, has_booleans)
            for spec in model.manifest.inputs
        }
        check_batches(tensors, model)
        return tensors

    def answer(outputs: Tensors) -> Answer:
        values = dequantize(outputs, model.manifest.outputs)
        in_order = {spec.name: values[spec.name] for spec in model.manifest.outputs}
        return encode(in_order, layout[0])

    size_bytes = decoding_bytes(request, model, b'"b64"')
    return await served.pool.run(Work(decode, answer, size_bytes))


def _chosen(main: Served, name: str | None) -> Served:
    """DEFAULT stands for the main signature where none is called so; TensorFlow Serving has 400
    for an unknown one."""
    if name == DEFAULT and name not in names(main.model.manifest):
        name = None
    try:
        return main.signature(name)
    except NotFound as error:
        raise RequestError(str(error)) from error


def _check_signature(value: object, chosen: Served, main: Served) -> None:
    if isinstance(value, str) and value and not main.signatures:
        _chosen(main, value)
    elif value != DEFAULT or value in names(main.model.manifest):
        check(value, SIGNATURE, chosen, main)


def read_columns(table: dict[str, Any], model: Model) -> Columns:
    """The inputs' values from either layout; raises RequestError."""
    if ("instances" in table) == ("inputs" in table):
        came = "both" if "instances" in table else "neither"
        raise RequestError(f"the body has {came} of 'instances' and 'inputs'; send one of them")
    names = [spec.name for spec in model.manifest.inputs]
    if "instances" in table:
        return Columns(_from_rows(table["instances"], names), "row")
    value = table["inputs"]
    if _is_base64(value) or not isinstance(value, dict):
        _check_single(names, "inputs", value)
        value = {names[0]: value}
    _check_names(value, names, "inputs")
    return Columns({name: _listed(value[name]) for name in names}, "column")


def _from_rows(rows: object, names: list[str]) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise RequestError(f"instances is {name_json(rows)}; it must be a list of at least one")
    if not isinstance(rows[0], dict) or _is_base64(rows[0]):
        _check_single(names, "instances[0]", rows[0])
        return {names[0]: rows}
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestError(f"instances[{i}] is {name_json(row)}; the others are objects")
        _check_names(row, names, f"instances[{i}]")
    return {name: [row[name] for row in rows] for name in names}


def _check_single(names: list[str], where: str, value: object) -> None:
    if len(names) != 1:
        wanted = f"an object with {', '.join(names)}"
        raise RequestError(f"{where} is {name_json(value)}; it must be {wanted}")


def _check_names(table: dict[str, Any], names: list[str], where: str) -> None:
    for name in table:
        if name not in names:
            hint = suggestion(name[:60], names)
            raise RequestError(f"{where} has an unknown input {name!r:.60}{hint}")
    lacking = ", ".join(f"'{name}'" for name in names if name not in table)
    if lacking:
        raise RequestError(f"{where} lacks the input {lacking}")


def _is_base64(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"}


def _listed(value: object) -> object:
    """A single text or `{"b64": …}` stands for a batch of one."""
    return [value] if isinstance(value, str) or _is_base64(value) else value


def _tensor(value: Any, spec: TensorSpec, model: Model, has_booleans: bool) -> Array:
    where, manifest = f"input '{spec.name}'", model.manifest
    first = value[0] if isinstance(value, list) and value else None
    if takes_bytes(spec, manifest) and (isinstance(first, str) or _is_base64(first)):
        is_text = text_of(spec, manifest) is not None
        return take_bytes([_bytes(item, is_text, where) for item in value], spec, manifest)
    dtype: DType = "float32" if spec.quantization else spec.dtype
    array = read_numbers(value, shape_of(value), dtype, where, has_booleans=has_booleans)
    return take_array(array, dtype, spec, manifest)


def _bytes(value: object, is_text: bool, where: str) -> bytes:
    if isinstance(value, str) and is_text:
        return value.encode()
    if not isinstance(value, dict) or not _is_base64(value) or not isinstance(value["b64"], str):
        wanted = 'text or {"b64": "…"}' if is_text else '{"b64": "…"}'
        raise RequestError(f"{where} holds {name_json(value)}; it must hold {wanted}")
    try:
        return b64decode(value["b64"], validate=True)
    except ValueError as error:
        raise RequestError(f"{where} holds bad base64: {error}") from error


def encode(outputs: Tensors, layout: Literal["row", "column"]) -> Answer:
    """A single output goes without its name, as TensorFlow Serving does it."""
    lists = {name: array.tolist() for name, array in outputs.items()}
    only = next(iter(lists)) if len(lists) == 1 else None
    if layout == "column":
        table: dict[str, Any] = {"outputs": lists[only] if only else lists}
    elif only:
        table = {"predictions": lists[only]}
    else:
        table = {"predictions": _rows(lists)}
    try:
        return Answer(200, dump(table))
    except ValueError as error:
        message = "the model answered NaN or infinity for this input; JSON has no such number"
        raise RequestError(message) from error


def _rows(lists: dict[str, Any]) -> list[dict[str, Any]]:
    counts = {name: len(value) if isinstance(value, list) else 0 for name, value in lists.items()}
    if len(set(counts.values())) != 1:
        raise RequestError("the outputs do not count samples; send 'inputs' instead of 'instances'")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
