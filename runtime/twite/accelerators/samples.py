"""The golden samples as the model itself takes and gives them."""

import numpy as np

from twite.bundle import Bundle
from twite.prepare import integer_features, prepare
from twite.tensors import Tensors


def model_inputs(bundle: Bundle) -> Tensors:
    """What the engine gets for the golden samples, (count, ...) each."""
    manifest = bundle.manifest
    prepared = prepare(bundle.golden_inputs(), manifest, integer_features(manifest))
    return {name: np.ascontiguousarray(array) for name, array in prepared.items()}


def model_outputs(bundle: Bundle) -> Tensors:
    """What the verified engine gave for them, (count, ...) each."""
    return bundle.golden_outputs()
