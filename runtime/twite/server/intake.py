"""What the tensor dialects hand to a model: its own tensors, or pictures and texts in their place.

A tensor of the model's own dtype reaches the engine as it came. What is more comfortable goes
through the bundle's preprocessing first: encoded pictures, pixels, texts, and a row of features.
"""

import numpy as np

from twite.arrays import conform
from twite.errors import RequestError, ShapeMismatch, UnsupportedMedia
from twite.manifest import ImagePreprocessing, Manifest, TextPreprocessing
from twite.model import Model
from twite.pool import INLINE_BYTES
from twite.quantized import dequantize
from twite.server.exchange import Request
from twite.tensors import Array, DType, Tensors, TensorSpec

PIXELS = "uint8"

# A picture of a few bytes becomes a tensor of a megabyte, so their number needs its own bound.
MOST_PICTURES = 100

LONG = 1 << 30


def image_of(spec: TensorSpec, manifest: Manifest) -> ImagePreprocessing | None:
    """The preprocessing that makes this input from a picture."""
    how = manifest.preprocessing
    return how if isinstance(how, ImagePreprocessing) and how.input == spec.name else None


def text_of(spec: TensorSpec, manifest: Manifest) -> TextPreprocessing | None:
    """The preprocessing that makes this input from a text."""
    how = manifest.preprocessing
    return how if isinstance(how, TextPreprocessing) and how.input == spec.name else None


def takes_bytes(spec: TensorSpec, manifest: Manifest) -> bool:
    return bool(image_of(spec, manifest) or text_of(spec, manifest))


def take_array(array: Array, dtype: DType, spec: TensorSpec, manifest: Manifest) -> Array:
    """An array that was sent as dtype, checked; nothing is copied where it fits already.

    dtype is the input's own, uint8 for the pixels of a picture, or float32 for the real values
    that a quantized input stands for. Raises RequestError.
    """
    wanted = spec if dtype == spec.dtype else spec._replace(dtype=dtype)
    if image := image_of(spec, manifest):
        wanted = wanted._replace(shape=(-1, image.height, image.width, image.channels))
    how = manifest.preprocessing
    allowed = not isinstance(how, ImagePreprocessing) and how.nonfinite == "allow"
    array = conform(array, wanted, f"input '{spec.name}'", nonfinite_allowed=allowed)
    wanted.check(array)
    if not array.size:
        raise ShapeMismatch(f"input '{spec.name}' holds no numbers; the model takes {wanted}")
    if text := text_of(spec, manifest):
        from twite.text import check_tokens

        check_tokens(array, text)
    if image and spec.quantization and spec.dtype == PIXELS == dtype:
        # Preprocessing would take them for pixels; it ends in these very integers again.
        return dequantize({spec.name: array}, (spec,))[spec.name]
    return array


def take_bytes(items: list[bytes], spec: TensorSpec, manifest: Manifest) -> Array:
    """Encoded pictures to pixels (N, height, width, channels), or texts to their word numbers."""
    where = f"input '{spec.name}'"
    if not items:
        raise ShapeMismatch(f"{where} is empty; it must hold at least one element")
    if image := image_of(spec, manifest):
        if len(items) > MOST_PICTURES:
            raise RequestError(f"{where} has {len(items)} pictures; send at most {MOST_PICTURES}")
        return _pixels(items, image)
    if text := text_of(spec, manifest):
        from twite.text import encode_texts

        try:
            return encode_texts([item.decode() for item in items], text)
        except UnicodeDecodeError as error:
            raise RequestError(f"{where} holds a text that is not UTF-8: {error}") from error
    raise RequestError(f"{where} is bytes; the model takes {spec}")


def check_batches(tensors: Tensors, model: Model) -> None:
    """Inputs that count samples must all have as many, and no more than one request may."""
    inputs = model.manifest.inputs
    counts = {spec.name: len(tensors[spec.name]) for spec in inputs if spec.is_batched}
    if len(counts) > 1 and len(set(counts.values())) > 1:
        came = ", ".join(f"'{name}' {count}" for name, count in counts.items())
        raise ShapeMismatch(f"the inputs differ in their number of samples: {came}")
    model.bounds.check_batch(max(counts.values(), default=1))


def decoding_bytes(request: Request, model: Model, mark: bytes) -> int:
    """How many bytes of numbers a body is worth in time: an encoded picture is a long one.

    mark stands in every body that may hold one.
    """
    is_long = request.size_bytes > INLINE_BYTES
    if is_long or not isinstance(model.manifest.preprocessing, ImagePreprocessing):
        return request.size_bytes
    return LONG if mark in request.body else request.size_bytes


def _pixels(pictures: list[bytes], image: ImagePreprocessing) -> Array:
    try:
        from twite.images import decode_image
    except ImportError as error:
        message = f"{error.name} is not installed, so no picture can be read"
        raise UnsupportedMedia(f'{message}: pip install "twite[image]"') from error
    return np.stack([decode_image(picture, image) for picture in pictures])
