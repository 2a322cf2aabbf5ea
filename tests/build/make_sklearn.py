"""Fit every supported kind of scikit-learn estimator and convert it; asking.py says how it is used.

Real data: the digits, cancers and diabetes that come with scikit-learn. Every second row is fitted,
the others are answered.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")
import warnings

import joblib
import numpy as np
from asking import ask
from sklearn import datasets, ensemble, linear_model, naive_bayes, neural_network, svm
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

SCALED = StandardScaler
DIGITS, CANCER, DIABETES = (
    read(return_X_y=True)
    for read in (datasets.load_digits, datasets.load_breast_cancer, datasets.load_diabetes)
)
COLUMNS = ColumnTransformer(
    [("scaled", RobustScaler(), slice(0, 5)), ("unused", "drop", [6])], remainder="passthrough"
)
MODELS: dict[str, tuple[Any, Any]] = {
    "logistic": (make_pipeline(SCALED(), PCA(9), linear_model.LogisticRegression()), DIGITS),
    "logistic_two": (make_pipeline(SCALED(), linear_model.LogisticRegression()), CANCER),
    "svc": (make_pipeline(SCALED(), svm.SVC()), DIGITS),
    "svc_two": (make_pipeline(MinMaxScaler(), svm.SVC(kernel="poly")), CANCER),
    "mlp": (make_pipeline(SCALED(), neural_network.MLPClassifier((20,), max_iter=30)), DIGITS),
    "forest": (ensemble.RandomForestClassifier(20, random_state=1), DIGITS),
    "extra": (ensemble.ExtraTreesClassifier(20, random_state=1), CANCER),
    "boosted": (ensemble.GradientBoostingClassifier(n_estimators=10, random_state=1), CANCER),
    "histogram": (ensemble.HistGradientBoostingClassifier(max_iter=10, random_state=1), DIGITS),
    "bayes": (naive_bayes.GaussianNB(), CANCER),
    "discriminant": (LinearDiscriminantAnalysis(), CANCER),
    "columns": (
        Pipeline(
            [
                ("both", FeatureUnion([("scaled", SCALED()), ("main", PCA(2))])),
                ("some", COLUMNS),
                ("model", linear_model.RidgeClassifier()),
            ]
        ),
        CANCER,
    ),
    "linear": (linear_model.LinearRegression(), DIABETES),
    "lasso": (make_pipeline(PolynomialFeatures(2), linear_model.Lasso(0.1)), DIABETES),
    "ridge": (make_pipeline(SimpleImputer(), SCALED(), linear_model.Ridge()), DIABETES),
    "svr": (make_pipeline(SCALED(), svm.SVR(C=10)), DIABETES),
    "forest_value": (ensemble.RandomForestRegressor(50, random_state=1), DIABETES),
    "boosted_value": (ensemble.GradientBoostingRegressor(n_estimators=50), DIABETES),
    "histogram_value": (ensemble.HistGradientBoostingRegressor(max_iter=30), DIABETES),
    "neighbours": (KNeighborsClassifier(), CANCER),
}


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    answers = {name: fitted(folder / name, *case) for name, case in MODELS.items()}
    again = ask("sklearn", folder / "svc", samples(DIGITS), file="model.joblib")
    answers["twice"] = {"same": again["sha256"] == answers["svc"]["sha256"]}
    for name, content in (("list", [1, 2]), ("unfitted", linear_model.LinearRegression())):
        (folder / name).mkdir()
        joblib.dump(content, folder / name / "model.joblib")
        answers[name] = ask("sklearn", folder / name, samples(CANCER), file="model.joblib")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "model.joblib").write_bytes(b"\x80\x04nothing")
    answers["damaged"] = ask("sklearn", folder / "damaged", samples(CANCER), file="model.joblib")
    (folder / "answers.json").write_text(json.dumps(answers))


def fitted(folder: Path, model: Any, data: Any) -> dict[str, Any]:
    folder.mkdir()
    features, target = (array[::2] for array in data)
    np.random.seed(1)
    model.fit(features.astype(np.float32).astype(np.float64), target)
    joblib.dump(model, folder / "model.joblib")
    asked = samples(data)
    if hasattr(model, "classes_"):
        labels = model.predict(asked["x"].astype(np.float64))
        np.save(folder / "labels.npy", np.searchsorted(model.classes_, labels))
    return ask("sklearn", folder, asked, file="model.joblib")


def samples(data: Any) -> dict[str, Any]:
    return {"x": data[0][1::2].astype(np.float32)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
