"""`POST /predict`: a body in, a prediction out."""

from twite.decode import Decoded
from twite.model import Model
from twite.pool import Work
from twite.repository import Repository
from twite.server.exchange import Answer, Endpoint, Request
from twite.tensors import Tensors

PICTURES = ("image/", "multipart/")


def predict_endpoint(repository: Repository) -> Endpoint:
    """The plain dialect, for the server's only model."""

    async def predict(request: Request) -> Answer:
        served = repository.find(None)
        model, body, content_type = served.model, request.body, request.content_type
        return Answer(200, await served.pool.run(predict_work(model, body, content_type)))

    return predict


def predict_work(model: Model, body: bytes, content_type: str) -> Work[bytes]:
    """What a prediction needs; a picture takes longer to decode than its bytes say."""
    decoded: list[Decoded] = []

    def decode() -> Tensors:
        decoded.append(model.decode(body, content_type))
        return decoded[0].tensors

    size = len(body) if not content_type.startswith(PICTURES) else 1 << 30
    return Work(decode, lambda outputs: model.answer(outputs, decoded[0]), size)
