"""An estimator, or a pipeline of them, to its graph and to what scikit-learn itself answers."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from twite.errors import UnsupportedTarget
from twite.tensors import Array, Tensors
from twite_build.errors import SourceError
from twite_build.estimators import boosting, kernels, linear, network, scaling, trees
from twite_build.estimators.refusal import Step, refuse

Maker = Callable[[Any], Step]

TRANSFORMERS: dict[str, Maker] = {
    "StandardScaler": scaling.standard,
    "MinMaxScaler": scaling.minimum_maximum,
    "MaxAbsScaler": scaling.largest,
    "RobustScaler": scaling.robust,
    "Normalizer": scaling.normalizer,
    "SimpleImputer": scaling.imputer,
    "PolynomialFeatures": scaling.polynomial,
    "PCA": scaling.projection,
    "TruncatedSVD": scaling.truncated,
    "SelectKBest": scaling.selection,
    "VarianceThreshold": scaling.selection,
}
CLASSIFIERS: dict[str, Maker] = {
    "LogisticRegression": linear.logistic,
    "LogisticRegressionCV": linear.logistic,
    "SGDClassifier": linear.scores,
    "LinearDiscriminantAnalysis": linear.discriminant,
    "RidgeClassifier": linear.scores,
    "RidgeClassifierCV": linear.scores,
    "Perceptron": linear.scores,
    "LinearSVC": linear.scores,
    "SVC": kernels.classifier,
    "NuSVC": kernels.classifier,
    "MLPClassifier": network.classifier,
    "GaussianNB": linear.gaussian,
    "MultinomialNB": linear.multinomial,
    "BernoulliNB": linear.bernoulli,
    "DecisionTreeClassifier": trees.classifier,
    "ExtraTreeClassifier": trees.classifier,
    "RandomForestClassifier": trees.classifier,
    "ExtraTreesClassifier": trees.classifier,
    "GradientBoostingClassifier": boosting.classifier,
    "HistGradientBoostingClassifier": boosting.classifier,
}
REGRESSORS: dict[str, Maker] = {
    **dict.fromkeys(
        (
            *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet"),
            *("ElasticNetCV", "BayesianRidge", "HuberRegressor", "SGDRegressor", "LinearSVR"),
        ),
        linear.values,
    ),
    "SVR": kernels.regressor,
    "NuSVR": kernels.regressor,
    "MLPRegressor": network.regressor,
    "DecisionTreeRegressor": trees.regressor,
    "ExtraTreeRegressor": trees.regressor,
    "RandomForestRegressor": trees.regressor,
    "ExtraTreesRegressor": trees.regressor,
    "GradientBoostingRegressor": boosting.regressor,
    "HistGradientBoostingRegressor": boosting.regressor,
}
CONTAINERS = ("Pipeline", "FeatureUnion", "ColumnTransformer")


class Translation(NamedTuple):
    """graph is for tensors, reference for arrays; both answer outputs by name."""

    graph: Callable[[Any], dict[str, Any]]
    reference: Callable[[Array], Tensors]


def translate(model: Any) -> Translation:
    """Raise UnsupportedTarget, with the list of what is supported, for another estimator."""
    before, last = _split(model)
    name = type(last).__name__
    _check_known(last, {**CLASSIFIERS, **REGRESSORS, **TRANSFORMERS})
    _check_fitted(last)
    output = _output(last)
    make = CLASSIFIERS.get(name) or REGRESSORS.get(name) or TRANSFORMERS[name]
    step = chain([*map(transformer, before), make(last)])
    return Translation(
        lambda x: {output: step(x)}, lambda x: {output: _answer(before, last, output, x)}
    )


def transformer(model: Any) -> Step:
    """One step before the last, also a container of several."""
    if model is None or isinstance(model, str):
        return lambda x: x
    name = type(model).__name__
    if name == "FunctionTransformer" and model.func is None:
        return lambda x: x
    if name == "Pipeline":
        return chain([transformer(step) for _, step in model.steps])
    if name == "FeatureUnion":
        if model.transformer_weights:
            raise refuse(model, "without weights")
        return together([transformer(step) for _, step in model.transformer_list])
    if name == "ColumnTransformer":
        return _by_columns(model)
    _check_known(model, TRANSFORMERS)
    _check_fitted(model)
    return TRANSFORMERS[name](model)


def chain(steps: Sequence[Step]) -> Step:
    def run(x: Any) -> Any:
        for step in steps:
            x = step(x)
        return x

    return run


def together(steps: Sequence[Step]) -> Step:
    """All on the same features, their answers side by side."""
    import tensorflow as tf

    return lambda x: tf.concat([step(x) for step in steps], axis=1)


def _by_columns(model: Any) -> Step:
    parts = []
    for _, step, chosen in model.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        indices = _indices(model, chosen)
        if len(indices):
            parts.append(chain([scaling.columns(indices), transformer(step)]))
    return together(parts)


def _indices(model: Any, chosen: Any) -> Array:
    """Columns as numbers: they may be names, a slice, a mask, or numbers from the end."""
    everything = np.arange(model.n_features_in_)
    names = getattr(model, "feature_names_in_", None)
    if isinstance(chosen, str):
        chosen = [chosen]
    if not isinstance(chosen, slice) and len(chosen) and isinstance(chosen[0], str):
        chosen = [int(np.flatnonzero(names == name)[0]) for name in chosen]
    return np.asarray(everything[chosen if isinstance(chosen, slice) else np.asarray(chosen, None)])


def _split(model: Any) -> tuple[list[Any], Any]:
    """The steps before the last, and the last; inner pipelines at the end are taken apart."""
    if type(model).__name__ != "Pipeline":
        return [], model
    steps = [step for _, step in model.steps]
    before, last = _split(steps[-1])
    return [*steps[:-1], *before], last


def _output(last: Any) -> str:
    name = type(last).__name__
    if name in REGRESSORS:
        return "prediction"
    if name not in CLASSIFIERS:
        return "features"
    # Some have probabilities the largest of which is not what predict answers: libsvm's, and
    # SGDClassifier's where several saturate.
    is_scored = CLASSIFIERS[name] in (linear.scores, kernels.classifier)
    return "scores" if is_scored else "probabilities"


def _answer(before: Sequence[Any], last: Any, output: str, x: Array) -> Array:
    """What scikit-learn answers to float64 features."""
    table: Any = x
    for step in before:
        if step is not None and not isinstance(step, str):
            table = step.transform(_as_fitted(step, table))
    table = _as_fitted(last, table)
    if output == "prediction":
        return np.asarray(last.predict(table))
    if output == "features":
        return np.asarray(last.transform(table))
    if output == "probabilities":
        return np.asarray(last.predict_proba(table))
    if type(last).__name__ in ("SVC", "NuSVC"):
        return kernels.reference(last, table)
    found = np.asarray(last.decision_function(table))
    return np.stack([-found, found], axis=1) if found.ndim == 1 else found


def _as_fitted(model: Any, x: Any) -> Any:
    """A data frame where the step was fitted on one and picks columns by name."""
    names = getattr(model, "feature_names_in_", None)
    if names is None or type(model).__name__ != "ColumnTransformer" or hasattr(x, "columns"):
        return x
    try:
        import pandas as pd
    except ImportError as error:
        raise SourceError(
            "the model picks columns by name, which needs pandas: pip install pandas"
        ) from error
    return pd.DataFrame(x, columns=list(names))


def _check_known(model: Any, known: dict[str, Maker]) -> None:
    cls = type(model)
    if cls.__name__ not in known or not cls.__module__.startswith("sklearn."):
        supported = ", ".join([*CLASSIFIERS, *REGRESSORS, *TRANSFORMERS, *CONTAINERS])
        raise UnsupportedTarget(
            f"{cls.__module__.split('.')[0]}'s {cls.__name__} is not supported; supported are "
            f"{supported}"
        )


def _check_fitted(model: Any) -> None:
    if not hasattr(model, "n_features_in_"):
        raise SourceError(f"{type(model).__name__} was not fitted; call fit, then dump it")
