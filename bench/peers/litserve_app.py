"""The bundle's model behind LitServe, as its documentation says: a LitAPI with its four methods."""

import os

import litserve
from peer_model import PeerModel


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = PeerModel(os.environ["BUNDLE"])

    def decode_request(self, request: dict[str, object]) -> object:
        """JSON and forms both come as a mapping."""
        return request["image"].file.read() if "image" in request else request["features"]

    def predict(self, x: object) -> object:
        return self.model.classes(x) if isinstance(x, bytes) else self.model.numbers(x)

    def encode_response(self, output: object) -> dict[str, object]:
        return {"prediction": output}


if __name__ == "__main__":
    workers = int(os.environ.get("WORKERS", "1"))
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=workers)
    server.run(port=int(os.environ["PORT"]), log_level="warning", generate_client_file=False)
