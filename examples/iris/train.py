"""Fit a linear regression on the iris flowers and write what recipe.toml builds a bundle from.

The model tells a flower's petal length in cm from its three other measurements. Of the 150
flowers that come with scikit-learn, 30 are held out, every species equally often.
"""

from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

TRAINED = Path(__file__).parent / "trained"
SEED = 7


def main() -> None:
    flowers = load_iris()
    features, lengths = flowers.data[:, [0, 1, 3]], flowers.data[:, 2]
    train_x, test_x, train_y, test_y = train_test_split(
        features, lengths, test_size=30, random_state=SEED, stratify=flowers.target
    )
    model = LinearRegression().fit(train_x, train_y)
    error = np.abs(model.predict(test_x) - test_y).mean()
    print(f"iris: mean absolute error {error:.2f} cm on the {len(test_y)} held-out flowers")
    TRAINED.mkdir(exist_ok=True)
    joblib.dump(model, TRAINED / "iris.joblib")
    np.savez_compressed(TRAINED / "calibration.npz", features=train_x.astype(np.float32))
    np.savez_compressed(
        TRAINED / "evaluation.npz", features=test_x.astype(np.float32), target=test_y
    )


if __name__ == "__main__":
    main()
