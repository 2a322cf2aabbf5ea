"""Make every trained model that the tests build from, in one process: TensorFlow loads slowly.

    python make_models.py FOLDER

Writes FOLDER/NAME/model.keras with its samples, and FOLDER/answers.json with what the converter
said about each: {"result": …} or {"error": class, "message": …}. No model is trained; weights are
drawn or solved for, so that each has exactly one fault, or none.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np

from twite.errors import TwiteError
from twite.tensors import Array, Tensors
from twite_build.converters.keras import convert
from twite_build.scratch import save_tensors

RANDOM = np.random.default_rng(5)


def main(folder: Path) -> None:
    makers = (
        quadrants,
        constant,
        slope,
        ratio,
        outlier,
        cancelling,
        crowd,
        two_inputs,
        recurrent,
        dictionary,
    )
    for make in makers:
        target = folder / make.__name__
        target.mkdir()
        model, inputs, truth = make()
        model.save(target / "model.keras")
        write_samples(target, inputs, truth)
    faults(folder)
    quadrant_model = keras.saving.load_model(folder / "quadrants" / "model.keras", compile=False)
    quadrant_model.save(folder / "quadrants" / "model.h5")
    answers = {path.name: ask(path) for path in sorted(folder.iterdir())}
    (folder / "answers.json").write_text(json.dumps(answers))


def write_samples(folder: Path, inputs: Tensors, truth: Array) -> None:
    """Two thirds to evaluate on, as decoded and as the model takes them, one third to calibrate."""
    cut = len(truth) // 3
    first, rest = ({n: a[:cut] for n, a in inputs.items()}, {n: a[cut:] for n, a in inputs.items()})
    np.savez(folder / "calibration.npz", **first)
    np.savez(folder / "evaluation.npz", **rest, target=truth[cut:])
    scaled = {n: a.astype(np.float32) / 255 if a.dtype == np.uint8 else a for n, a in rest.items()}
    save_tensors(folder / "preprocessed.npz", scaled)


def ask(folder: Path) -> dict[str, Any]:
    """What the converter says, called as its child process calls it."""
    names = {"source": "model.keras", "samples": "preprocessed.npz"}
    names |= {"model": "fp32.tflite", "outputs": "source.npz"}
    try:
        return {"result": convert({key: str(folder / name) for key, name in names.items()})}
    except TwiteError as error:
        return {"error": type(error).__name__, "message": str(error).replace(f"{folder}/", "")}


def quadrants() -> tuple[keras.Model, Tensors, Array]:
    """Which quarter of an 8 × 8 picture is bright: random features and solved logits."""
    truth = RANDOM.integers(0, 4, 360)
    pixels = RANDOM.integers(0, 100, (360, 8, 8, 1))
    for i, quarter in enumerate(truth):
        row, column = 4 * (quarter // 2), 4 * (quarter % 2)
        pixels[i, row : row + 4, column : column + 4] += 120
    image = keras.Input((8, 8, 1), name="image")
    features = keras.layers.Dense(96, activation="relu")(keras.layers.Flatten()(image))
    model = keras.Model(image, keras.layers.Dense(4, name="logits")(features))
    hidden, logits = model.layers[-2:]
    hidden.set_weights([RANDOM.normal(0, 0.1, (64, 96)), RANDOM.normal(0, 0.1, 96)])
    pictures = pixels.astype(np.uint8)
    inner = keras.Model(image, features)(pictures.astype(np.float32) / 255).numpy()
    wanted = 8 * np.eye(4)[truth] - 2
    logits.set_weights([np.linalg.lstsq(inner, wanted, rcond=None)[0], np.zeros(4)])
    return model, {"image": pictures}, truth


def constant() -> tuple[keras.Model, Tensors, Array]:
    """The same logits for every picture."""
    model, inputs, truth = quadrants()
    model.layers[-1].set_weights([np.zeros((96, 4)), np.array([0.0, 1.0, 0.0, 0.0])])
    return model, inputs, truth


def slope() -> tuple[keras.Model, Tensors, Array]:
    """A sum of three features, exactly right; wide enough that int8 makes it smaller."""
    x = keras.Input((3,), name="x")
    wide = keras.layers.Dense(64)(keras.layers.Dense(128)(x))
    model = keras.Model(x, keras.layers.Dense(1, name="y")(wide))
    first, second = RANDOM.normal(0, 1, (3, 128)), RANDOM.normal(0, 0.1, (128, 64))
    last = np.linalg.lstsq(first @ second, np.ones((3, 1)), rcond=None)[0]
    model.set_weights([first, np.zeros(128), second, np.zeros(64), last, np.zeros(1)])
    rows = RANDOM.normal(0, 1, (300, 3)).astype(np.float32)
    return model, {"x": rows}, rows.sum(axis=1)


def ratio() -> tuple[keras.Model, Tensors, Array]:
    """x[0] over the sum of x: not a number at zeros."""
    x = keras.Input((3,), name="x")
    shares = keras.ops.divide(x, keras.ops.sum(x, axis=1, keepdims=True))
    model = keras.Model(x, keras.layers.Dense(1, name="y")(shares))
    model.set_weights([np.array([[1.0], [0.0], [0.0]]), np.zeros(1)])
    rows = RANDOM.uniform(0.5, 2, (300, 3)).astype(np.float32)
    return model, {"x": rows}, rows[:, 0] / rows.sum(axis=1)


def outlier() -> tuple[keras.Model, Tensors, Array]:
    """A small signal beside activations a thousand times larger: int8 steps swallow it."""
    x = keras.Input((2,), name="x")
    wide = keras.layers.Dense(64)(keras.layers.Dense(128)(x))
    model = keras.Model(x, keras.layers.Dense(1, name="y")(wide))
    spread, gather = np.zeros((2, 128)), np.zeros((128, 64))
    spread[0, :64], spread[1, 64:], gather[:64] = 1.0, 1000.0, 1 / 64
    last = np.full((64, 1), 1 / 64)
    model.set_weights([spread, np.zeros(128), gather, np.zeros(64), last, np.zeros(1)])
    rows = RANDOM.normal(0, 1, (300, 2)).astype(np.float32)
    return model, {"x": rows}, rows[:, 0]


def cancelling() -> tuple[keras.Model, Tensors, Array]:
    """The difference of two large numbers: lost when these, and nothing else, are int8."""
    x = keras.Input((3,), name="x")
    wide = keras.layers.Dense(64)(keras.layers.Dense(128)(x))
    model = keras.Model(x, keras.layers.Dense(1, name="y")(keras.layers.Dense(2)(wide)))
    first, second = RANDOM.normal(0, 1, (3, 128)), RANDOM.normal(0, 0.1, (128, 64))
    total, large = (
        np.linalg.lstsq(first @ second, wanted, rcond=None)[0]
        for wanted in (np.ones((3, 1)), 20 * np.eye(3)[:, :1])
    )
    pair, difference = np.hstack([total + large, large]), np.array([[1.0], [-1.0]])
    weights = (first, np.zeros(128), second, np.zeros(64), pair, np.zeros(2), difference)
    model.set_weights([*weights, np.zeros(1)])
    rows = RANDOM.normal(0, 1, (300, 3)).astype(np.float32)
    return model, {"x": rows}, rows.sum(axis=1)


def crowd() -> tuple[keras.Model, Tensors, Array]:
    """Each answer depends on the other samples of the batch."""
    x = keras.Input((3,), name="x")
    centred = keras.ops.subtract(x, keras.ops.max(x, axis=0, keepdims=True))
    model = keras.Model(x, keras.layers.Dense(1, name="y")(centred))
    model.set_weights([np.ones((3, 1)), np.full(1, 6.0)])
    rows = RANDOM.normal(0, 1, (300, 3)).astype(np.float32)
    return model, {"x": rows}, rows.sum(axis=1)


def two_inputs() -> tuple[keras.Model, Tensors, Array]:
    """Two inputs, one of them indices, and two outputs."""
    a, index = keras.Input((4,), name="a"), keras.Input((1,), dtype="int32", name="index")
    looked_up = keras.layers.Flatten()(keras.layers.Embedding(5, 4)(index))
    joined = keras.layers.Concatenate()([a, looked_up])
    outputs = [keras.layers.Dense(n, name=name)(joined) for n, name in ((2, "two"), (3, "three"))]
    model = keras.Model([a, index], outputs)
    model.set_weights([RANDOM.normal(0, 1, weight.shape) for weight in model.get_weights()])
    rows = RANDOM.normal(0, 1, (300, 4)).astype(np.float32)
    indices = RANDOM.integers(0, 5, (300, 1)).astype(np.int32)
    return model, {"a": rows, "index": indices}, np.zeros(300)


def recurrent() -> tuple[keras.Model, Tensors, Array]:
    """An LSTM, which converts with a batch of 1 only."""
    x = keras.Input((5, 2), name="x")
    model = keras.Model(x, keras.layers.Dense(1, name="y")(keras.layers.LSTM(4)(x)))
    model.set_weights([RANDOM.normal(0, 1, weight.shape) for weight in model.get_weights()])
    return model, {"x": RANDOM.normal(0, 1, (90, 5, 2)).astype(np.float32)}, np.zeros(90)


def dictionary() -> tuple[keras.Model, Tensors, Array]:
    """Inputs and outputs by key."""
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    outputs = {"second": keras.layers.Dense(1)(b), "first": keras.layers.Dense(2)(a)}
    model = keras.Model({"b": b, "a": a}, outputs)
    sizes = {"a": 2, "b": 3}
    rows = {n: RANDOM.normal(0, 1, (90, size)).astype(np.float32) for n, size in sizes.items()}
    return model, rows, np.zeros(90)


class Doubled(keras.layers.Layer):
    """A layer whose code is here and not in the file."""

    def call(self, x: Any) -> Any:
        return x * 2


def faults(folder: Path) -> None:
    """Folders named after what is wrong with their model or their samples."""
    x = keras.Input((4,), name="x")
    four = {"x": np.ones((4, 4), np.float32)}
    spoil(folder / "holds_code", keras.Model(x, keras.layers.Lambda(lambda v: v * 2)(x)), four)
    own = type("OwnLayer", (Doubled,), {"__module__": "somewhere"})
    spoil(folder / "own_layer", keras.Model(x, own()(x)), four)
    flat = keras.Input((4,), batch_size=8, name="x")
    spoil(folder / "batch_of_eight", keras.Model(flat, keras.layers.Dense(1)(flat)), four)
    square = keras.ops.reshape(x, (-1, 2, 2))
    spoil(folder / "no_such_operator", keras.Model(x, keras.ops.det(square)), four)
    dense = keras.Model(x, keras.layers.Dense(1, name="y")(x))
    spoil(folder / "other_name", dense, {"y": four["x"]})
    spoil(folder / "other_shape", dense, {"x": np.ones((4, 5), np.float32)})
    spoil(folder / "other_dtype", dense, {"x": np.ones((4, 4), np.uint8)})
    spoil(folder / "truncated", dense, four)
    whole = (folder / "truncated" / "model.keras").read_bytes()
    (folder / "truncated" / "model.keras").write_bytes(whole[: len(whole) // 2])
    spoil(folder / "text", dense, four)
    (folder / "text" / "model.keras").write_text("not a model")


def spoil(folder: Path, model: keras.Model, samples: Tensors) -> None:
    folder.mkdir()
    model.save(folder / "model.keras")
    save_tensors(folder / "preprocessed.npz", samples)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
