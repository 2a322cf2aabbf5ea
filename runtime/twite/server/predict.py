"""`POST /predict`: a body in, a prediction out. `/predict/NAME` where there are several models."""

from collections.abc import Callable

from twite.decode import Decoded
from twite.errors import MethodNotAllowed, RequestError
from twite.model import Model
from twite.repository import Repository
from twite.server.exchange import Answer, Endpoint, Request
from twite.tensors import Tensors
from twite.work import Work

PICTURES = ("image/", "multipart/")
PREFIX = "/predict/"
RANKED = ("classes", "boxes")
MOST = 1_000_000
"""What `?top_k=` may ask for; a bundle that has fewer answers them all."""


def predict_endpoint(repository: Repository, name: str | None = None) -> Endpoint:
    """The plain dialect, for the model of this name or the server's only one."""

    async def predict(request: Request) -> Answer:
        served, top_k = repository.find(name), None
        if request.query:
            from twite.server.signatures import in_query

            served = served.signature(in_query(request.query))
            top_k = read_top_k(request.query, served.model)
        work = predict_work(served.model, request.body, request.content_type, top_k)
        return Answer(200, await served.pool.run(work))

    return predict


def find_predict(repository: Repository) -> Callable[[Request], Endpoint | None]:
    """The endpoint of `/predict/NAME`."""

    def find(request: Request) -> Endpoint | None:
        name = request.path.removeprefix(PREFIX)
        if not request.path.startswith(PREFIX) or not name or "/" in name:
            return None
        if request.method != "POST":
            message = f"{request.path:.200} does not take {request.method}; it takes POST"
            raise MethodNotAllowed(message, "POST")
        return predict_endpoint(repository, name)

    return find


def read_top_k(query: str, model: Model) -> int | None:
    """How many classes or boxes `?top_k=` asks for; raises RequestError."""
    for pair in query.split("&"):
        key, _, text = pair.partition("=")
        if key != "top_k":
            continue
        if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= MOST):
            raise RequestError(f"top_k is {text!r:.40}; it must be a whole number from 1 to {MOST}")
        if (kind := model.manifest.postprocessing.kind) not in RANKED:
            raise RequestError(f"top_k counts classes or boxes; this bundle answers {kind}")
        return int(text)
    return None


def predict_work(
    model: Model, body: bytes, content_type: str, top_k: int | None = None
) -> Work[bytes]:
    """What a prediction needs; a picture takes longer to decode than its bytes say."""
    decoded: list[Decoded] = []

    def decode() -> Tensors:
        decoded.append(model.decode(body, content_type))
        return decoded[0].tensors

    size = len(body) if not content_type.startswith(PICTURES) else 1 << 30
    return Work(decode, lambda outputs: model.answer(outputs, decoded[0], top_k), size)
