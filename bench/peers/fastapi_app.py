"""The bundle's model behind FastAPI, as its documentation says: a class of the request, a route."""

import os

import uvicorn
from fastapi import FastAPI, File, UploadFile
from peer_model import PeerModel
from pydantic import BaseModel

app = FastAPI()
model = PeerModel(os.environ["BUNDLE"])


class Features(BaseModel):
    features: list[list[float]]


@app.post("/predict")
def predict(body: Features) -> dict[str, object]:
    return {"prediction": model.numbers(body.features)}


@app.post("/picture")
def picture(image: UploadFile = File(...)) -> dict[str, object]:  # noqa: B008
    return {"prediction": model.classes(image.file.read())}


if __name__ == "__main__":
    workers = int(os.environ.get("WORKERS", "1"))
    target = "fastapi_app:app" if workers > 1 else app
    uvicorn.run(target, port=int(os.environ["PORT"]), workers=workers, log_level="warning")
