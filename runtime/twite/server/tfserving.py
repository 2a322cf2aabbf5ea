"""TensorFlow Serving's REST API, and KServe's v1 protocol on the same paths.

`GET /v1/models/NAME` answers one object that holds what both want.
"""

from twite.errors import MethodNotAllowed, NotFound
from twite.repository import Repository, Served
from twite.server.documents import dump
from twite.server.exchange import Answer, Endpoint, Request
from twite.server.paths import ModelPath, model_path, names, versions
from twite.server.tfserving_predict import predict
from twite.signatures import main_name
from twite.tensors import DType, TensorSpec

PREFIX = "/v1/models/"
LABEL = "stable"
"""The label of the newest version."""

VERBS = {"predict": "POST", "": "GET"}

DT: dict[DType, str] = {
    "bool": "DT_BOOL",
    "uint8": "DT_UINT8",
    "int8": "DT_INT8",
    "uint16": "DT_UINT16",
    "int16": "DT_INT16",
    "uint32": "DT_UINT32",
    "int32": "DT_INT32",
    "uint64": "DT_UINT64",
    "int64": "DT_INT64",
    "float16": "DT_HALF",
    "float32": "DT_FLOAT",
    "float64": "DT_DOUBLE",
}


class TensorFlowServing:
    """The endpoints of every model of a repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def find(self, request: Request) -> Endpoint | None:
        """Raises NotFound and MethodNotAllowed for a path below a model that is none."""
        if request.path.rstrip("/") == "/v1/models":
            _check_method(request, "GET")
            return self._models
        path, _, verb = request.path.partition(":")
        found = model_path(path, PREFIX)
        if not found:
            return None
        if verb not in VERBS or found.action not in ("", "metadata") or (verb and found.action):
            known = "GET …/NAME, GET …/NAME/metadata and POST …/NAME:predict"
            raise NotFound(f"there is no {request.path:.200}; there are {known}")
        _check_method(request, VERBS[verb])
        return lambda request: self._answer(found, verb, request)

    async def _answer(self, path: ModelPath, verb: str, request: Request) -> Answer:
        served = self._repository.find(path.name, path.version)
        if path.label not in (None, LABEL):
            message = f"model '{path.name}' has the label {LABEL}, not {path.label!r:.60}"
            raise NotFound(message)
        if verb == "predict":
            return await predict(served, request)
        if path.action == "metadata":
            return Answer(200, _metadata(served))
        is_one = path.version or path.label
        found = [served.version] if is_one else versions(self._repository, served.name)
        return Answer(200, _status(served.name, found, self._repository.state == "ready"))

    async def _models(self, request: Request) -> Answer:
        return Answer(200, dump({"models": names(self._repository)}))


def _check_method(request: Request, allowed: str) -> None:
    if request.method != allowed:
        raise MethodNotAllowed(
            f"{request.path:.200} does not take {request.method}; it takes {allowed}", allowed
        )


def _status(name: str, found: list[str], is_ready: bool) -> bytes:
    state = "AVAILABLE" if is_ready else "UNLOADING"
    status = {"error_code": "OK", "error_message": ""}
    statuses = [{"version": version, "state": state, "status": status} for version in found]
    return dump({"name": name, "ready": is_ready, "model_version_status": statuses})


def _metadata(served: Served) -> bytes:
    signatures = {main_name(served.model.manifest): _signature(served)}
    signatures |= {name: _signature(each) for name, each in served.signatures.items()}
    spec = {"name": served.name, "signature_name": "", "version": served.version}
    table = {"signature_def": signatures}
    return dump({"model_spec": spec, "metadata": {"signature_def": table}})


def _signature(served: Served) -> dict[str, object]:
    manifest = served.model.manifest
    return {
        "inputs": {spec.name: _tensor(spec) for spec in manifest.inputs},
        "outputs": {spec.name: _tensor(spec) for spec in manifest.outputs},
        "method_name": "tensorflow/serving/predict",
    }


def _tensor(spec: TensorSpec) -> dict[str, object]:
    """As people send it: a quantized tensor is dequantized for them."""
    shape = (-1, *spec.shape[1:]) if spec.is_batched else spec.shape
    sizes = [{"size": str(size), "name": ""} for size in shape]
    return {
        "name": spec.name,
        "dtype": "DT_FLOAT" if spec.quantization else DT[spec.dtype],
        "tensor_shape": {"dim": sizes, "unknown_rank": False},
    }
