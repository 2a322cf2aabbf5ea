"""Make SavedModels, Keras functions, JAX functions and `.tflite` files of the tests, and convert
them; asking.py says how it is used."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np
import tensorflow as tf
from asking import ask

RANDOM = np.random.default_rng(5)
ROWS = {"x": RANDOM.normal(0, 1, (6, 4)).astype(np.float32)}
PLAIN = ("text", "none", "old")
WEIGHTS = RANDOM.normal(0, 1, (4, 3)).astype(np.float32)

KERAS = """
import keras

def make():
    x = keras.Input((4,), name="x")
    return keras.Model(x, keras.layers.Dense(2, name="y")(Own()(x)))

class Own(keras.layers.Layer):
    def call(self, x):
        return keras.ops.tanh(x)

def nothing():
    return None
"""

JAX = """
import jax
import jax.numpy as jnp
import numpy as np

weights = np.arange(12, dtype=np.float32).reshape(4, 3) / 7

def make():
    def model(x):
        return jax.nn.softmax(jnp.tanh(x) @ weights)
    return model

def two(a, b):
    return {"sum": a + b, "most": jnp.max(a * b, axis=1)}

def broken(x):
    return x @ weights.T

def spectrum(x):
    return jnp.abs(jnp.fft.fft(x)) + jnp.linalg.det(x.reshape(-1, 2, 2))[:, None]
"""


class Saved(tf.Module):
    """Two signatures, by one variable."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(WEIGHTS)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def first(self, x: Any) -> Any:
        return {"y": tf.matmul(x, self.weights)}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def second(self, x: Any) -> Any:
        return {"z": tf.reduce_sum(x, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def words(self, text: Any) -> Any:
        return {"length": tf.strings.length(text)}


def main(folder: Path) -> None:
    answers = {**saved_models(folder), **functions(folder), **files(folder)}
    (folder / "answers.json").write_text(json.dumps(answers))


def saved_models(folder: Path) -> dict[str, Any]:
    saved = Saved()
    signatures = {"first": saved.first, "second": saved.second}
    tf.saved_model.save(saved, folder / "two" / "saved", signatures=signatures)
    tf.saved_model.save(saved, folder / "text" / "saved", signatures={"words": saved.words})
    tf.saved_model.save(saved, folder / "none" / "saved", signatures={})
    keras.utils.set_random_seed(1)
    for name, batch in (("lstm", None), ("lstm_one", 1)):
        x = keras.Input((5, 4), batch_size=batch, name="x")
        model = keras.Model(x, keras.layers.LSTM(3, name="y")(x))
        model.export(folder / name / "saved", verbose=False)
    old_model(folder / "old" / "saved")
    answers = {name: ask("savedmodel", folder / name, ROWS, file="saved") for name in PLAIN}
    answers["two"] = ask("savedmodel", folder / "two", ROWS, file="saved", signature="first")
    again = ask("savedmodel", folder / "two", ROWS, file="saved", signature="first")
    answers["twice"] = {"same": again["sha256"] == answers["two"]["sha256"]}
    shutil.copytree(folder / "two", folder / "typo")
    answers["typo"] = ask("savedmodel", folder / "typo", ROWS, file="saved", signature="frist")
    steps = {"x": RANDOM.normal(0, 1, (3, 5, 4)).astype(np.float32)}
    for name in ("lstm", "lstm_one"):
        answers[name] = ask("savedmodel", folder / name, steps, file="saved")
    return answers


def old_model(folder: Path) -> None:
    """As TensorFlow 1 saved them: a session's graph, with Adam's state among its variables."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        weights = v1.get_variable("weights", initializer=WEIGHTS, use_resource=False)
        y = tf.matmul(x, weights)
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(y * y))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(folder), {"x": x}, {"y": y})


def functions(folder: Path) -> dict[str, Any]:
    answers = {}
    for kind, text, cases in (
        ("keras", KERAS, {"make": {}, "nothing": {}}),
        ("jax", JAX, {"make": {}, "two": {}, "broken": {}, "spectrum": {}}),
    ):
        for name, keys in cases.items():
            place = folder / f"{kind}_{name}"
            place.mkdir()
            (place / "models.py").write_text(text)
            samples = {"a": ROWS["x"], "b": ROWS["x"] ** 2} if name == "two" else ROWS
            found = ask(kind, place, samples, file="models.py", function=name, **keys)
            answers[place.name] = found
    again = ask("jax", folder / "jax_make", ROWS, file="models.py", function="make")
    answers["jax_twice"] = {"same": again["sha256"] == answers["jax_make"]["sha256"]}
    picture = {"image": RANDOM.normal(0, 1, (2, 32, 32, 3)).astype(np.float32)}
    for name, function in (("application", "MobileNetV2"), ("no_application", "MobilNetV2")):
        (folder / name).mkdir()
        answers[name] = ask(
            "keras",
            folder / name,
            picture,
            file="keras.applications",
            function=function,
            weights="random",
        )
    return answers


def files(folder: Path) -> dict[str, Any]:
    """`.tflite` sources: float, quantized, with a Flex operator, and no model at all."""
    place = folder / "tflite"
    place.mkdir()
    shutil.copy(folder / "two" / "fp32.tflite", place / "float.tflite")
    saved = str(folder / "two" / "saved")
    converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=["first"])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [{"x": ROWS["x"]}]
    (place / "int8.tflite").write_bytes(converter.convert())
    (place / "flex.tflite").write_bytes(with_flex())
    (place / "text.tflite").write_text("not a model")
    answers = {}
    for name in ("float", "int8", "flex", "text"):
        found = ask("tflite", place, ROWS, file=f"{name}.tflite")
        found["kept"] = (place / "fp32.tflite").read_bytes() == (
            place / f"{name}.tflite"
        ).read_bytes()
        answers[f"tflite_{name}"] = found
    return answers


def with_flex() -> bytes:
    @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32, "x")])
    def serve(x: Any) -> Any:
        return tf.linalg.det(tf.reshape(x, (1, 2, 2)))

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], serve
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    content: bytes = converter.convert()
    return content


if __name__ == "__main__":
    main(Path(sys.argv[1]))
