"""The Open Inference Protocol v2 over REST, with the binary tensor extension.

kserve.github.io/website specifies it; docs/http.md says what a bundle's inputs take.
"""

from collections import defaultdict

import twite
from twite.errors import MethodNotAllowed, NotFound
from twite.model import Model
from twite.repository import Repository, Served
from twite.server.documents import dump
from twite.server.exchange import Answer, Endpoint, Request
from twite.server.oip_heads import Heads
from twite.server.oip_infer import infer
from twite.server.oip_tensors import DATATYPES
from twite.server.paths import ModelPath, model_path, names, versions
from twite.server.report import report_answer
from twite.signatures import main_name
from twite.tensors import TensorSpec

PLATFORM = "litert_tflite"
EXTENSIONS = ["binary_tensor_data", "classification"]
PREFIX = "/v2/models/"

METHODS = {"": "GET", "ready": "GET", "report": "GET", "infer": "POST"}


class OpenInference:
    """The endpoints of every model of a repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._heads: defaultdict[tuple[str, str], Heads] = defaultdict(Heads)

    def find(self, request: Request) -> Endpoint | None:
        """Raises NotFound and MethodNotAllowed for a path below `/v2` that is none."""
        path = request.path.rstrip("/")
        plain = {"/v2": self._server, "/v2/models": self._models}.get(path)
        if plain:
            _check_method(request, "GET")
            return plain
        found = model_path(path, PREFIX)
        if not path.startswith("/v2/") or not found or found.label is not None:
            return None
        if found.action not in METHODS:
            known = ", ".join(f"/{action}" for action in METHODS if action)
            raise NotFound(f"there is no {request.path:.200}; below a model there are {known}")
        _check_method(request, METHODS[found.action])
        return lambda request: self._answer(found, request)

    async def _answer(self, path: ModelPath, request: Request) -> Answer:
        served = None
        if path.action != "ready" or self._repository.models:
            served = self._repository.find(path.name, path.version)
        if path.action == "ready":
            is_ready = self._repository.state == "ready"
            body = {"name": path.name, "ready": is_ready}
            return Answer(200 if is_ready else 503, dump(body))
        if served is None:
            raise NotFound(f"there is no model '{path.name}'")
        if path.action == "infer":
            return await infer(served, request, self._heads[served.name, served.version])
        return report_answer(served) if path.action == "report" else self._metadata(served)

    def _metadata(self, served: Served) -> Answer:
        manifest = served.model.manifest
        table: dict[str, object] = {
            "name": served.name,
            "versions": versions(self._repository, served.name),
            "platform": PLATFORM,
            **_tensors(served.model),
        }
        parameters: dict[str, object] = {}
        if status := served.model.engine.status():
            parameters["accelerator"] = status.table()
        if served.signatures:
            parameters["signature"] = main_name(manifest)
            parameters["signatures"] = {
                name: _tensors(each.model) for name, each in served.signatures.items()
            }
        if parameters:
            table["parameters"] = parameters
        return Answer(200, dump(table))

    async def _server(self, request: Request) -> Answer:
        body = {"name": "twite", "version": twite.__version__, "extensions": EXTENSIONS}
        return Answer(200, dump(body))

    async def _models(self, request: Request) -> Answer:
        return Answer(200, dump({"models": names(self._repository)}))


def _check_method(request: Request, allowed: str) -> None:
    if request.method != allowed:
        raise MethodNotAllowed(
            f"{request.path:.200} does not take {request.method}; it takes {allowed}", allowed
        )


def _tensors(model: Model) -> dict[str, object]:
    manifest = model.manifest
    return {
        "inputs": [_tensor(spec, model) for spec in manifest.inputs],
        "outputs": [_tensor(spec, model) for spec in manifest.outputs],
    }


def _tensor(spec: TensorSpec, model: Model) -> dict[str, object]:
    """A model that takes one sample at a time answers a batch too, row by row."""
    takes_batches = all(each.is_batched for each in model.manifest.inputs) and spec.is_batched
    shape = [-1, *spec.shape[1:]] if takes_batches else [*spec.shape]
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": shape}
