"""What every peer serves: the same .tflite on the same engine, with the same steps round it."""

import io
import json
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

CROP = 224 / 256


class PeerModel:
    """A bundle as a script would use it: no check of anything; one interpreter behind a lock."""

    def __init__(self, bundle: str) -> None:
        folder = Path(bundle)
        self._manifest = json.loads((folder / "bundle.json").read_text())
        labels = folder / "labels.txt"
        self._labels = labels.read_text().splitlines() if labels.exists() else []
        self._interpreter = Interpreter(str(folder / self._manifest["model"]), num_threads=1)
        self._interpreter.allocate_tensors()
        self._source = self._interpreter.get_input_details()[0]
        self._result = self._interpreter.get_output_details()[0]["index"]
        self._lock = Lock()

    def numbers(self, features: Any) -> list[float]:
        before, after = self._manifest["preprocessing"], self._manifest["postprocessing"]
        mean = np.array(before.get("mean", [0.0]), np.float32)
        scale = np.array(before.get("scale", [1.0]), np.float32)
        values = self.infer((np.array(features, np.float32) - mean) / scale).reshape(-1)
        return [round(float(value), after["decimals"]) for value in values]

    def classes(self, jpeg: bytes) -> list[dict[str, object]]:
        image = Image.open(io.BytesIO(jpeg))
        _, height, width, _ = self._source["shape"]
        side = CROP * min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        small = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC, box)
        scores = self.infer(((np.asarray(small, np.float32) - 127) / 128)[None])[0]
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        best = np.argsort(-shares)[:3]
        return [{"class": self._labels[i], "confidence": round(float(shares[i]), 4)} for i in best]

    def octets(self, tensor: bytes) -> Any:
        return self.infer(np.frombuffer(tensor, np.float32).reshape(self._source["shape"]))

    def scores(self, tensor: Any) -> Any:
        return self.infer(np.asarray(tensor, np.float32))

    def infer(self, tensor: Any) -> Any:
        with self._lock:
            if tuple(self._source["shape"]) != tensor.shape:
                self._interpreter.resize_tensor_input(self._source["index"], tensor.shape)
                self._interpreter.allocate_tensors()
                self._source["shape"] = tensor.shape
            self._interpreter.set_tensor(self._source["index"], tensor)
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._result)
