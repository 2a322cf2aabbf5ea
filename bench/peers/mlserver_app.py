"""The bundle's model behind MLServer's custom runtime, as its documentation says."""

import base64
import json
import os

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from peer_model import PeerModel


class Runtime(MLModel):
    async def load(self) -> bool:
        self._model = PeerModel(os.environ["BUNDLE"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        if given.datatype == "BYTES":
            best = self._model.classes(base64.b64decode(given.data[0]))
            output = StringCodec.encode_output("output", [json.dumps(each) for each in best])
        else:
            tensor = NumpyCodec.decode_input(given)
            numbers = given.shape[1:] == [3]
            found = self._model.numbers(tensor) if numbers else self._model.scores(tensor)
            output = NumpyCodec.encode_output("output", np.asarray(found, np.float32))
        return InferenceResponse(model_name=self.name, outputs=[output])
