"""Every way to speak to the server, put together: plain, Open Inference Protocol, TF Serving.

The modules of a dialect are imported by its first request, so that they cost no start.
"""

from collections.abc import Callable

from twite.errors import NotReady
from twite.repository import Repository, Served
from twite.server.exchange import Answer, Endpoint, Request
from twite.server.health import health_endpoints
from twite.server.predict import find_predict, predict_endpoint
from twite.settings import Settings

Found = Callable[[Request], Endpoint | None]
"""A dialect whose paths hold names: the endpoint for a request, or None where it has none."""

Models = tuple[Served, ...]


def exact_endpoints(repository: Repository, settings: Settings) -> dict[tuple[str, str], Endpoint]:
    """The paths without a name in them."""
    endpoints = {
        **health_endpoints(repository),
        ("POST", "/predict"): predict_endpoint(repository),
        ("GET", "/metrics"): _metrics(repository),
        ("GET", "/openapi.json"): _made_once(repository, _openapi),
    }
    if settings.playground:
        endpoints["GET", "/"] = _made_once(repository, _playground)
    return endpoints


def finders(repository: Repository) -> tuple[Found, ...]:
    """The dialects whose paths name a model."""
    return (
        find_predict(repository),
        _on_prefix("/v2", lambda: _open_inference(repository)),
        _on_prefix("/v1/", lambda: _tensorflow_serving(repository)),
    )


def _on_prefix(prefix: str, make: Callable[[], Found]) -> Found:
    made: list[Found] = []

    def find(request: Request) -> Endpoint | None:
        if not request.path.startswith(prefix):
            return None
        if not made:
            made.append(make())
        return made[0](request)

    return find


def _open_inference(repository: Repository) -> Found:
    from twite.server.oip import OpenInference

    return OpenInference(repository).find


def _tensorflow_serving(repository: Repository) -> Found:
    from twite.server.tfserving import TensorFlowServing

    return TensorFlowServing(repository).find


def _metrics(repository: Repository) -> Endpoint:
    made: list[Endpoint] = []

    async def metrics(request: Request) -> Answer:
        if not made:
            from twite.server.metrics import metrics_endpoints

            made.append(metrics_endpoints(repository)["GET", "/metrics"])
        return await made[0](request)

    return metrics


def _openapi(models: Models) -> Answer:
    from twite.server.openapi import openapi_document

    return Answer(200, openapi_document(models))


def _playground(models: Models) -> Answer:
    from twite.server.playground import playground_page

    return playground_page(models)


def _made_once(repository: Repository, make: Callable[[Models], Answer]) -> Endpoint:
    """A document about the models, made when it is first asked for; NotReady before they are."""
    made: list[tuple[Models, Answer]] = []

    async def document(request: Request) -> Answer:
        models = repository.models
        if not models:
            raise NotReady("the model is still loading; try again in a second")
        if not made or made[0][0] is not models:
            made[:] = [(models, make(models))]
        return made[0][1]

    return document
