"""Write the tiny models of tests/runtime/models, which the dialects are tested with.

    .venv/bin/python tests/build/wire_models.py

every.tflite: an input and an output of each dtype that TensorFlow converts, (N, 2) to (N, 1, 2).
pair.tflite: (N, 3) and (N, 1) float32 to their sum (N, 3) and its rows' sums (N,).
words.tflite: (N, 4) int32 to the same numbers as float32.
whole.tflite: (N, 2) int8 to their halves (N, 2) int8, quantized from -1 to 1.
spots.tflite: pictures (N, 16, 16, 3) float32 to the same boxes (N, 2, 4) and scores (N, 2, 1).
grey.tflite: pictures (N, 2, 2, 1) uint8 to the mean of a picture (N, 1) uint8, from 0 to 1.
several.tflite: the signatures of Several, by one table of weights.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import tensorflow as tf

FOLDER = Path(__file__).parents[1] / "runtime" / "models"
INTEGERS = ("uint8", "int8", "int16", "int32", "uint32", "int64")
DTYPES = ("bool", *INTEGERS, "float16", "float32", "float64")


def every(*tensors: Any) -> dict[str, Any]:
    return {f"out_{d}": tf.expand_dims(t, 1) for d, t in zip(DTYPES, tensors, strict=True)}


def pair(left: Any, right: Any) -> dict[str, Any]:
    return {"total": left + right, "rows": tf.reduce_sum(left + right, axis=1)}


def words(tokens: Any) -> dict[str, Any]:
    return {"echo": tf.cast(tokens, tf.float32)}


def spots(image: Any) -> dict[str, Any]:
    nothing = tf.reduce_mean(image, axis=(1, 2, 3))[:, None, None] * 0.0
    boxes = tf.constant([[[0.0, 0, 8, 8], [4, 4, 4, 4]]])
    return {"boxes": boxes + nothing, "scores": tf.constant([[[3.0], [1.0]]]) + nothing}


def whole(values: Any) -> dict[str, Any]:
    return {"half": tf.matmul(values, tf.constant([[0.5, 0], [0, 0.5]]))}


def grey(image: Any) -> dict[str, Any]:
    return {"mean": tf.reduce_mean(image, axis=(1, 2))}


class Several(tf.Module):  # type: ignore[misc]
    """embed comes first in the file: the converter sorts them by name."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, "x")])
    def score(self, x: Any) -> dict[str, Any]:
        return {"scores": tf.nn.relu(tf.matmul(x, self.table))}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 3), tf.float32, "x"),
            tf.TensorSpec((None, 1), tf.float32, "scale"),
        ]
    )
    def embed(self, x: Any, scale: Any) -> dict[str, Any]:
        vector = tf.matmul(x, self.table) * scale
        return {"embedding": vector, "same": vector, "rows": tf.reduce_sum(vector, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec((1, 2), tf.int32, "numbers")])
    def one(self, numbers: Any) -> dict[str, Any]:
        return {"next": numbers + 1}


def write_several() -> None:
    module = Several()
    signatures = {"serving_default": module.score, "embed": module.embed, "one": module.one}
    with TemporaryDirectory(prefix="twite-") as folder:
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        (FOLDER / "several.tflite").write_bytes(converter.convert())


def write_integers(name: str, function: Any, spec: Any, dtype: Any, lowest: float) -> None:
    """A model of integers throughout, for values from lowest to 1."""
    module = tf.Module()
    concrete = tf.function(function, input_signature=[spec]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    shape = (1, *spec.shape[1:])
    samples = [tf.fill(shape, tf.constant(value)) for value in (lowest, 1.0)]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = dtype
    (FOLDER / f"{name}.tflite").write_bytes(converter.convert())


def write(name: str, function: Any, *inputs: Any) -> None:
    module = tf.Module()
    concrete = tf.function(function, input_signature=inputs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    (FOLDER / f"{name}.tflite").write_bytes(converter.convert())


write("every", every, *(tf.TensorSpec((None, 2), dtype, f"in_{dtype}") for dtype in DTYPES))
write(
    "pair",
    pair,
    tf.TensorSpec((None, 3), tf.float32, "left"),
    tf.TensorSpec((None, 1), tf.float32, "right"),
)
write("spots", spots, tf.TensorSpec((None, 16, 16, 3), tf.float32, "image"))
write("words", words, tf.TensorSpec((None, 4), tf.int32, "tokens"))
write_several()
write_integers("whole", whole, tf.TensorSpec((None, 2), tf.float32, "values"), tf.int8, -1.0)
write_integers("grey", grey, tf.TensorSpec((None, 2, 2, 1), tf.float32, "image"), tf.uint8, 0.0)
