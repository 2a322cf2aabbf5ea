"""`/openapi.json`: what this server answers, made from the models that it serves (OpenAPI 3.1)."""

from collections.abc import Iterable, Sequence
from typing import Any

import twite
from twite.manifest import Manifest
from twite.repository import Served
from twite.server import openapi_schemas as schemas
from twite.server.documents import dump
from twite.server.predict import MOST, RANKED
from twite.server.report import REPORT
from twite.signatures import further, names, views

Operation = dict[str, Any]

ERROR = {
    "description": "what came and what was wanted",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
OF_A_REQUEST = ("400", "404", "413", "415", "500", "503", "504")
"""The statuses of an error that a request with a body can get."""


def openapi_document(served: Sequence[Served]) -> bytes:
    models = [(each.name, each.model.manifest) for each in served]
    paths: dict[str, Any] = {**_health(), **_servers()}
    if len(models) == 1:
        paths["/predict"] = {"post": _predict(models[0][1])}
    for name, manifest in models:
        paths[f"/predict/{name}"] = {"post": _predict(manifest)}
        paths |= _open_inference(name, manifest)
        paths |= _tensorflow_serving(name, manifest)
    info = {
        "title": "Twite",
        "version": twite.__version__,
        "description": ", ".join(f"{name} {manifest.version}" for name, manifest in models),
    }
    error = schemas.table({"error": {"type": "string"}})
    return dump(
        {
            "openapi": "3.1.0",
            "info": info,
            "paths": paths,
            "components": {"schemas": {"Error": error}},
        }
    )


def _health() -> dict[str, Any]:
    object_ = {"type": "object"}
    paths = ("/livez", "/readyz", "/healthz", "/v2/health/live", "/v2/health/ready")
    return {path: {"get": _read(object_, f"{path} for probes", or_503=object_)} for path in paths}


def _servers() -> dict[str, Any]:
    names = schemas.table({"models": {"type": "array", "items": {"type": "string"}}})
    server = schemas.table({"name": {"type": "string"}}, closed=False)
    return {
        "/v2": {"get": _read(server, "The server and its protocol's extensions")},
        "/v2/models": {"get": _read(names, "The names of the models")},
        "/v1/models": {"get": _read(names, "The names of the models")},
    }


def _open_inference(name: str, manifest: Manifest) -> dict[str, Any]:
    base, object_ = f"/v2/models/{name}", {"type": "object"}
    ready = schemas.table({"name": {"type": "string"}, "ready": {"type": "boolean"}})
    infer = _write(
        {"application/json": _any(map(schemas.infer_request, views(manifest), _keys(manifest)))},
        _any(map(schemas.infer_answer, views(manifest))),
        "Open Inference Protocol v2",
    )
    paths = {
        base: {"get": _read(object_, "Inputs and outputs of the model")},
        f"{base}/ready": {"get": _read(ready, "Is the model ready?", or_503=ready)},
        f"{base}/infer": {"post": infer},
    }
    if REPORT in manifest.files:
        page = {"description": "a page", "content": {"text/html": {"schema": {"type": "string"}}}}
        summary = "What the build step measured"
        paths[f"{base}/report"] = {"get": {"summary": summary, "responses": {"200": page}}}
    return paths


def _tensorflow_serving(name: str, manifest: Manifest) -> dict[str, Any]:
    base, object_ = f"/v1/models/{name}", {"type": "object"}
    predict = _write(
        {"application/json": _any(map(schemas.rows_request, views(manifest), _keys(manifest)))},
        schemas.rows_answer(),
        "TensorFlow Serving and KServe v1",
    )
    return {
        base: {"get": _read(object_, "Is the model ready?")},
        f"{base}/metadata": {"get": _read(object_, "The model's signatures")},
        f"{base}:predict": {"post": predict},
    }


def _predict(manifest: Manifest) -> Operation:
    summary = manifest.description or "Predict"
    bodies: dict[str, list[schemas.Schema]] = {}
    for each in views(manifest):
        for media, schema in schemas.predict_request(each).items():
            bodies.setdefault(media, []).append(schema)
    answer = _any(map(schemas.prediction, views(manifest)))
    operation = _write({media: _any(found) for media, found in bodies.items()}, answer, summary)
    parameters = []
    if manifest.postprocessing.kind in RANKED:
        number = {"type": "integer", "minimum": 1, "maximum": MOST}
        parameters.append(_in_query("top_k", "how many to answer, best first", number))
    if further(manifest):
        known = {"type": "string", "enum": [*names(manifest)]}
        parameters.append(_in_query("signature", "which of the model's signatures", known))
    return operation | ({"parameters": parameters} if parameters else {})


def _keys(manifest: Manifest) -> list[schemas.Schema]:
    """The key that names each signature; only the main one may go without."""
    main, *rest = names(manifest)
    return [{"enum": list(dict.fromkeys((main, "")))}, *({"const": name} for name in rest)]


def _in_query(name: str, description: str, schema: schemas.Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _any(found: Iterable[schemas.Schema]) -> schemas.Schema:
    """Each once; one alone stands for itself."""
    several: list[schemas.Schema] = []
    for schema in found:
        if schema not in several:
            several.append(schema)
    return several[0] if len(several) == 1 else {"anyOf": several}


def _read(answer: schemas.Schema, summary: str, or_503: schemas.Schema | None = None) -> Operation:
    responses: dict[str, Any] = {"200": _json(answer), "503": _json(or_503) if or_503 else ERROR}
    return {"summary": summary, "responses": responses}


def _write(bodies: dict[str, schemas.Schema], answer: schemas.Schema, summary: str) -> Operation:
    content = {media: {"schema": schema} for media, schema in bodies.items()}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _json(answer), **dict.fromkeys(OF_A_REQUEST, ERROR)},
    }


def _json(schema: schemas.Schema) -> dict[str, Any]:
    return {"description": "the answer", "content": {"application/json": {"schema": schema}}}
