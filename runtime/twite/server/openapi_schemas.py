"""JSON Schemas of what the models take and answer, for `/openapi.json`."""

from typing import Any

import numpy as np

from twite.manifest import (
    BoxPostprocessing,
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    Manifest,
    RegressionPostprocessing,
    TextPreprocessing,
)
from twite.server.intake import MOST_PICTURES, image_of, takes_bytes, text_of
from twite.server.oip_tensors import accepted
from twite.tensors import DType, TensorSpec

Schema = dict[str, Any]

JSON, FORM, NPY, TEXT = "application/json", "multipart/form-data", "application/x-npy", "text/plain"
BINARY: Schema = {"type": "string", "format": "binary"}
BASE64: Schema = {
    "type": "object",
    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
    "required": ["b64"],
    "additionalProperties": False,
}
ANY_TENSOR: Schema = {"description": "numbers, nested as the shape says"}


def number(dtype: DType) -> Schema:
    """One entry of a tensor."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return {"type": "boolean"}
    if kind == "f":
        # No bounds: what rounds to the largest float32 is taken although it is above it.
        return {"type": "number"}
    bounds = np.iinfo(dtype)
    return {"type": "integer", "minimum": int(bounds.min), "maximum": int(bounds.max)}


def nested(shape: tuple[int, ...], entry: Schema) -> Schema:
    """Lists in lists; a dimension of -1 holds one or more."""
    for size in reversed(shape):
        entry = {"type": "array", "items": entry, "minItems": 1}
        if size >= 0:
            entry |= {"minItems": size, "maxItems": size}
    return entry


def tensor(spec: TensorSpec, dtype: DType) -> Schema:
    """The tensor with its batch dimension."""
    shape = (-1, *spec.shape[1:]) if spec.is_batched else spec.shape
    return nested(shape, number(dtype))


def sample(spec: TensorSpec, dtype: DType) -> Schema:
    """The tensor without its batch dimension."""
    return nested(spec.shape[1:] if spec.is_batched else spec.shape, number(dtype))


def table(properties: Schema, *, closed: bool = True) -> Schema:
    """An object whose every property is required."""
    found = {"type": "object", "properties": properties, "required": [*properties]}
    return found | ({"additionalProperties": False} if closed else {})


def predict_request(manifest: Manifest) -> dict[str, Schema]:
    """The bodies of `/predict`, by content type; only JSON can carry several inputs."""
    how = manifest.preprocessing
    named = {spec.name: tensor(spec, _decoded(spec, manifest)) for spec in manifest.inputs}
    bodies = [table({"inputs": table(named)})]
    if len(manifest.inputs) > 1:
        return {JSON: bodies[0]}
    bodies.append(table({"features": {"anyOf": _features(manifest)}}))
    found: dict[str, Schema] = {NPY: BINARY}
    if isinstance(how, TextPreprocessing):
        texts = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        bodies.append(table({"text": {"anyOf": [{"type": "string"}, texts]}}))
        found[TEXT] = {"type": "string"}
    if isinstance(how, ImagePreprocessing):
        pictures = {"type": "array", "items": BINARY, "minItems": 1, "maxItems": MOST_PICTURES}
        found |= {FORM: table({"image": pictures}, closed=False), "image/*": BINARY}
    return {JSON: {"anyOf": bodies}, **found}


def _features(manifest: Manifest) -> list[Schema]:
    """A batch or one sample of the only input; rows may be keyed by the names of the columns."""
    spec, how = manifest.inputs[0], manifest.preprocessing
    dtype = _decoded(spec, manifest)
    found = [tensor(spec, dtype), sample(spec, dtype)]
    if isinstance(how, FeaturePreprocessing) and how.columns:
        row = table({name: number(dtype) for name in how.columns})
        found += [row, {"type": "array", "items": row, "minItems": 1}]
    return found


def _decoded(spec: TensorSpec, manifest: Manifest) -> DType:
    """What `/predict` reads: pixels of a picture, real values where integers stand for them."""
    if image_of(spec, manifest):
        return "uint8"
    return "float32" if spec.quantization else spec.dtype


def prediction(manifest: Manifest) -> Schema:
    """The answer of `/predict`: one sample's, or a list of them."""
    how = manifest.postprocessing
    share: Schema = {"type": "number"}
    one: Schema
    if isinstance(how, ClassPostprocessing):
        one = {"type": "array", "items": table({"class": {"type": "string"}, "confidence": share})}
    elif isinstance(how, BoxPostprocessing):
        box = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
        found = table({"class": {"type": "string"}, "confidence": share, "box": box})
        one = {"type": "array", "items": found}
    elif isinstance(how, RegressionPostprocessing):
        one = {"anyOf": [share, {"type": "array", "items": share}]}
    else:
        return table({"prediction": {"type": "object"}})
    return table({"prediction": {"anyOf": [one, {"type": "array", "items": one}]}})


def infer_request(manifest: Manifest, signature: Schema) -> Schema:
    """The JSON of the Open Inference Protocol; signature is what its parameters name."""
    names = [spec.name for spec in manifest.outputs]
    output: Schema = {
        "type": "object",
        "properties": {"name": {"enum": names}},
        "required": ["name"],
    }
    inputs = [_infer_input(spec, manifest) for spec in manifest.inputs]
    entries = {
        "type": "array",
        "items": {"anyOf": inputs},
        "minItems": len(inputs),
        "maxItems": len(inputs),
    }
    properties = {
        "id": {"type": "string"},
        "inputs": entries,
        "outputs": {"type": "array", "items": output, "minItems": 1},
        "parameters": _naming("signature", signature),
    }
    required = ["inputs", *(["parameters"] if "const" in signature else [])]
    return {"type": "object", "properties": properties, "required": required}


def _naming(key: str, signature: Schema) -> Schema:
    required = {"required": [key]} if "const" in signature else {}
    return {"type": "object", "properties": {key: signature}, **required}


def _infer_input(spec: TensorSpec, manifest: Manifest) -> Schema:
    datatypes = [each for each in accepted(spec, manifest) if each != "FP16"]
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    properties = {
        "name": {"const": spec.name},
        "shape": shape,
        "datatype": {"enum": datatypes},
        "data": {"type": "array", "description": "flat or nested, row-major"},
    }
    return table(properties, closed=False)


def infer_answer(manifest: Manifest) -> Schema:
    shape = {"type": "array", "items": {"type": "integer"}}
    names = {"enum": [spec.name for spec in manifest.outputs]}
    output = table(
        {"name": names, "shape": shape, "datatype": {"type": "string"}, "data": {"type": "array"}},
        closed=False,
    )
    text = {"type": "string"}
    properties = {
        "model_name": text,
        "model_version": text,
        "outputs": {"type": "array", "items": output},
    }
    return table(properties, closed=False)


def rows_request(manifest: Manifest, signature: Schema) -> Schema:
    """The JSON of TensorFlow Serving: rows or columns; signature is what it names."""
    row = {spec.name: _served(spec, manifest, sample) for spec in manifest.inputs}
    column = {spec.name: _served(spec, manifest, tensor) for spec in manifest.inputs}
    rows, columns = [table(row)], [table(column)]
    if len(row) == 1:
        rows.append(next(iter(row.values())))
        columns.append(next(iter(column.values())))
    instances = {"anyOf": [{"type": "array", "items": each, "minItems": 1} for each in rows]}
    named = {"signature_name": signature}
    always = [*named] if "const" in signature else []
    by_row = {"type": "object", "properties": {"instances": instances, **named}}
    by_column = {"type": "object", "properties": {"inputs": {"anyOf": columns}, **named}}
    return {
        "oneOf": [
            by_row | {"required": ["instances", *always], "not": {"required": ["inputs"]}},
            by_column | {"required": ["inputs", *always], "not": {"required": ["instances"]}},
        ]
    }


def _served(spec: TensorSpec, manifest: Manifest, form: Any) -> Schema:
    numbers: Schema = form(spec, "float32" if spec.quantization else spec.dtype)
    if not takes_bytes(spec, manifest):
        return numbers
    element = {"anyOf": [BASE64, {"type": "string"}]} if text_of(spec, manifest) else BASE64
    several = [{"type": "array", "items": element, "minItems": 1}] if form is tensor else []
    return {"anyOf": [element, *several, numbers]}


def rows_answer() -> Schema:
    rows = table({"predictions": {"type": "array"}})
    return {"oneOf": [rows, table({"outputs": ANY_TENSOR})]}
