"""The golden samples as the model itself takes and gives them."""

import numpy as np

from twite.bundle import Bundle
from twite.preprocess import preprocess
from twite.tensors import Tensors


def model_inputs(bundle: Bundle) -> Tensors:
    """What the engine gets for the golden samples, (count, ...) each."""
    prepared = preprocess(bundle.golden_inputs(), bundle.manifest.preprocessing)
    return {name: np.ascontiguousarray(array) for name, array in prepared.items()}


def model_outputs(bundle: Bundle) -> Tensors:
    """What the verified engine gave for them, (count, ...) each."""
    return bundle.golden_outputs()
