"""Write the tiny models of tests/runtime/models, which the dialects are tested with.

    .venv/bin/python tests/build/wire_models.py

every.tflite: an input and an output of each dtype that TensorFlow converts, (N, 2) to (N, 1, 2).
pair.tflite: (N, 3) and (N, 1) float32 to their sum (N, 3) and its rows' sums (N,).
words.tflite: (N, 4) int32 to the same numbers as float32.
"""

import os
from pathlib import Path
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
write("words", words, tf.TensorSpec((None, 4), tf.int32, "tokens"))
