"""scikit-learn's fitted attributes as functions in TensorFlow's operations."""

from twite_build.estimators.translate import Translation, translate

__all__ = ["Translation", "translate"]
