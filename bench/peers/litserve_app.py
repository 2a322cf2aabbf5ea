"""The bundle's model behind LitServe, as its documentation says: a LitAPI with its four methods."""

import os

import litserve
from peer_model import PeerModel


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = PeerModel(os.environ["BUNDLE"])

    def decode_request(self, request):
        """The kind and the value; without an annotation JSON and forms both come as a mapping."""
        kind = next(iter(request))
        value = request[kind]
        return kind, value.file.read() if kind in ("image", "octets") else value

    def predict(self, x: tuple[str, object]) -> object:
        kind, value = x
        if kind == "image":
            return self.model.classes(value)
        if kind == "features":
            return self.model.numbers(value)
        return (self.model.octets if kind == "octets" else self.model.scores)(value).tolist()

    def encode_response(self, output: object) -> dict[str, object]:
        return {"prediction": output}


if __name__ == "__main__":
    workers = int(os.environ.get("WORKERS", "1"))
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=workers)
    server.run(port=int(os.environ["PORT"]), log_level="warning", generate_client_file=False)
