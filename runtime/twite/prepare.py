"""Decoded tensors to the model's own: preprocessing, and the integers of a quantized input."""

from twite.manifest import FeaturePreprocessing, Manifest
from twite.preprocess import preprocess
from twite.quantized import quantize
from twite.tensors import DType, Tensors


def prepare(tensors: Tensors, manifest: Manifest, integers: tuple[str, DType]) -> Tensors:
    """What the engine gets; integers are those of integer_features.

    Features that come as the integers of a quantized input are prepared already.
    """
    name, dtype = integers
    is_prepared = name in tensors and tensors[name].dtype == dtype
    prepared = tensors if is_prepared else preprocess(tensors, manifest.preprocessing)
    return quantize(prepared, manifest.inputs)


def integer_features(manifest: Manifest) -> tuple[str, DType]:
    """The name and dtype of the features where the model takes them as integers; '' for none."""
    how = manifest.preprocessing
    for spec in manifest.inputs:
        if isinstance(how, FeaturePreprocessing) and spec.name == how.input and spec.quantization:
            return spec.name, spec.dtype
    return "", "float32"
