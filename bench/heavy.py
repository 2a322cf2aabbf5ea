"""A bundle that takes milliseconds to infer and a few bytes to ask: load without large bodies."""

import subprocess
from pathlib import Path

import numpy as np

RECIPE = """
name = "heavy"
version = "1"

[source]
kind = "keras"
file = "heavy.keras"

[data]
calibration = "samples.npz"
evaluation = "samples.npz"

[quantize]
recipes = ["fp32"]

[preprocess]
kind = "features"
input = "x"

[postprocess]
kind = "tensors"
"""


def heavy_bundle(dist: Path) -> Path:
    """The bundle, built once: 8 numbers through six convolutions of 64 channels."""
    bundle = dist / "bench-heavy"
    if not (bundle / "bundle.json").exists():
        folder = dist / "bench-heavy-source"
        folder.mkdir(parents=True, exist_ok=True)
        _write_source(folder)
        import sys

        twite = Path(sys.executable).parent / "twite"
        recipe = folder / "recipe.toml"
        subprocess.run([twite, "build", recipe, "-o", bundle, "--force"], check=True)
    return bundle


def _write_source(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    x = keras.Input((8,), name="x")
    y = keras.layers.Reshape((48, 48, 4))(keras.layers.Dense(48 * 48 * 4)(x))
    for _ in range(6):
        y = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(y)
    y = keras.layers.Dense(4, name="y")(keras.layers.GlobalAveragePooling2D()(y))
    keras.Model(x, y).save(folder / "heavy.keras")
    samples = np.random.default_rng(1).normal(size=(64, 8)).astype(np.float32)
    np.savez(folder / "samples.npz", x=samples)
    (folder / "recipe.toml").write_text(RECIPE)
