"""The bundle's model behind MLServer's custom runtime, as its documentation says."""

import os

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from peer_model import PeerModel


class Runtime(MLModel):
    async def load(self) -> bool:
        self._model = PeerModel(os.environ["BUNDLE"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensor = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        output = NumpyCodec.encode_output("output", self._model.infer(tensor))
        return InferenceResponse(model_name=self.name, outputs=[output])
