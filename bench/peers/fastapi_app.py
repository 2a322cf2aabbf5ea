"""The bundle's model behind FastAPI, as its documentation says: a class of the request, a route."""

import os

import uvicorn
from fastapi import FastAPI, File, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from peer_model import PeerModel
from pydantic import BaseModel

app = FastAPI()
model = PeerModel(os.environ["BUNDLE"])


class Features(BaseModel):
    features: list[list[float]]


class Tensor(BaseModel):
    tensor: list[list[list[list[float]]]]


@app.post("/predict")
def predict(body: Features) -> dict[str, object]:
    return {"prediction": model.numbers(body.features)}


@app.post("/picture")
def picture(image: UploadFile = File(...)) -> dict[str, object]:  # noqa: B008
    return {"prediction": model.classes(image.file.read())}


@app.post("/tensor")
def tensor(body: Tensor) -> dict[str, object]:
    return {"prediction": model.scores(body.tensor).tolist()}


@app.post("/binary")
async def binary(request: Request) -> Response:
    scores = await run_in_threadpool(model.octets, await request.body())
    return Response(scores.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    workers = int(os.environ.get("WORKERS", "1"))
    target = "fastapi_app:app" if workers > 1 else app
    uvicorn.run(target, port=int(os.environ["PORT"]), workers=workers, log_level="warning")
