"""Make a SavedModel of several signatures and its `.tflite`: `python make_signatures.py FOLDER`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import numpy as np
import tensorflow as tf
from asking import ask

RANDOM = np.random.default_rng(7)
X = tf.TensorSpec([None, 64], tf.float32, "x")
ROWS = {"x": RANDOM.normal(0, 1, (128, 64)).astype(np.float32)}


class Several(tf.Module):
    """All by one table; sharp makes the error of int8 weights large.

    With an attribute `serve`, TensorFlow's converter would drop the signatures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(RANDOM.normal(0, 0.1, (64, 64)).astype(np.float32))

    @tf.function(input_signature=[X])
    def serve(self, x: Any) -> dict[str, Any]:
        return {"scores": tf.nn.relu(tf.matmul(x, self.table))}

    @tf.function(input_signature=[X, tf.TensorSpec([None, 1], tf.float32, "scale")])
    def embed(self, x: Any, scale: Any) -> dict[str, Any]:
        return {"embedding": tf.matmul(x, self.table) * scale}

    @tf.function(input_signature=[X])
    def sharp(self, x: Any) -> dict[str, Any]:
        return {"signs": tf.tanh(300.0 * tf.matmul(x, self.table))}


class Looping(tf.Module):
    """Its graphs name each other by their numbers."""

    @tf.function(input_signature=[X])
    def again(self, x: Any) -> dict[str, Any]:
        return {"negative": -x}

    @tf.function(input_signature=[X])
    def halve(self, x: Any) -> dict[str, Any]:
        start = (tf.constant(0), x)
        _, small = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y / 2.0), start)
        return {"small": small}


def main(folder: Path) -> None:
    module = Several()
    signatures = {"serving_default": module.serve, "embed": module.embed, "sharp": module.sharp}
    answers = {}
    for name, source in (("two", {"signatures": ["serving_default", "embed"]}), ("one", {})):
        tf.saved_model.save(module, folder / name / "saved", signatures=signatures)
        answers[name] = ask("savedmodel", folder / name, ROWS, file="saved", **source)
    for name, source in (
        ("typo", {"signatures": ["serving_default", "embde"]}),
        ("first", {"signatures": ["embed"], "signature": "embed"}),
    ):
        (folder / name).mkdir()
        (folder / name / "saved").symlink_to(folder / "two" / "saved")
        samples = {**ROWS, "scale": ROWS["x"][:, :1]} if name == "first" else ROWS
        answers[name] = ask("savedmodel", folder / name, samples, file="saved", **source)
    looping = Looping()
    both = {"again": looping.again, "halve": looping.halve}
    tf.saved_model.save(looping, folder / "loop" / "saved", signatures=both)
    names = ["halve", "again"]
    answers["loop"] = ask("savedmodel", folder / "loop", ROWS, file="saved", signatures=names)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "two" / "saved"))
    converter._saved_model_exported_names = [*signatures]
    for name, source in (
        ("file", {}),
        ("picked", {"signatures": ["embed", "serving_default"], "signature": "serving_default"}),
        ("unknown", {"signature": "embde"}),
    ):
        (folder / name).mkdir()
        (folder / name / "model.tflite").write_bytes(converter.convert())
        answers[name] = ask("tflite", folder / name, ROWS, file="model.tflite", **source)
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
