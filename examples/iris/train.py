"""Train a tiny regression on the iris flowers and write what recipe.toml builds a bundle from.

The model tells a flower's petal length in cm from its three other measurements. Of the 150
flowers in the package mlxtend, 30 are held out, every species equally often.
"""

import os
import tomllib
from importlib.util import find_spec
from pathlib import Path

# TensorFlow reads these while it is imported: quiet, and the same numbers on every machine.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

HERE = Path(__file__).parent
TRAINED = HERE / "trained"
HELD_OUT_PER_SPECIES = 10
EPOCHS = 150
BATCH = 24
SPLIT_SEED, TRAINING_SEED = 7, 3

Numbers = npt.NDArray[np.float32]


def main() -> None:
    keras.utils.set_random_seed(TRAINING_SEED)
    tf.config.experimental.enable_op_determinism()
    features, lengths, held_out = read_flowers()
    train = ~held_out
    model = petal_model(steps=EPOCHS * -(-int(train.sum()) // BATCH))
    print(f"iris: {model.count_params()} parameters, {train.sum()} flowers, {EPOCHS} epochs")
    model.fit(scaled(features[train]), lengths[train], BATCH, EPOCHS, verbose=0)
    error = np.abs(model.predict(scaled(features[held_out]), verbose=0)[:, 0] - lengths[held_out])
    print(f"iris: mean absolute error {error.mean():.2f} cm on the {held_out.sum()} held-out ones")
    TRAINED.mkdir(exist_ok=True)
    model.save(TRAINED / "iris.keras")
    np.savez_compressed(TRAINED / "calibration.npz", features=features[train])
    np.savez_compressed(
        TRAINED / "evaluation.npz", features=features[held_out], target=lengths[held_out]
    )


def read_flowers() -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    """(150, 3) sepal length, sepal width and petal width, (150,) petal length, who is held out."""
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        raise SystemExit("the flowers are in the package mlxtend: pip install --no-deps mlxtend")
    # The file alone: importing mlxtend.data would need pandas and scikit-learn.
    file = Path(package.origin).parent / "data" / "data" / "iris.csv.gz"
    table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(table))
    held_out = np.zeros(len(table), dtype=np.bool_)
    for species in range(3):
        held_out[order[table[order, 4] == species][:HELD_OUT_PER_SPECIES]] = True
    return table[:, [0, 1, 3]], table[:, 2], held_out


def scaled(features: Numbers) -> Numbers:
    """What the recipe's [preprocess] does before the model."""
    how = tomllib.loads((HERE / "recipe.toml").read_text("utf-8"))["preprocess"]
    return (features - np.float32(how["mean"])) / np.float32(how["scale"])


def petal_model(steps: int) -> keras.Model:
    features = keras.Input((3,), name="features")
    x = features
    for width in (16, 16):
        x = keras.layers.Dense(width, activation="relu")(x)
    model = keras.Model(features, keras.layers.Dense(1, name="petal_length")(x), name="iris")
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(keras.optimizers.Adam(schedule), "mse")
    return model


if __name__ == "__main__":
    main()
