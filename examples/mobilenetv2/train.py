"""Cut the pictures that recipe.toml measures with; MobileNetV2 itself comes with Keras.

The two photographs that scikit-learn brings along are cut into 224 × 224 pieces at places drawn
once, half of them for calibration.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_images

TRAINED = Path(__file__).parent / "trained"
SIZE, PIECES, SEED = 224, 64, 7


def main() -> None:
    random, photographs = np.random.default_rng(SEED), load_sample_images().images
    pieces = []
    for number in range(PIECES):
        photograph = photographs[number % len(photographs)]
        height, width, _ = photograph.shape
        y, x = random.integers(0, height - SIZE), random.integers(0, width - SIZE)
        pieces.append(photograph[y : y + SIZE, x : x + SIZE])
    TRAINED.mkdir(exist_ok=True)
    np.savez_compressed(TRAINED / "calibration.npz", image=np.stack(pieces[::2]))
    np.savez_compressed(TRAINED / "evaluation.npz", image=np.stack(pieces[1::2]))
    print(f"mobilenetv2: {PIECES} pieces of {len(photographs)} photographs")


if __name__ == "__main__":
    main()
