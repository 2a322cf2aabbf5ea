"""What samples are read for, and the runtime's own decoding of each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twite.bundle import npy
from twite.decode import NPY, RequestFormat, decode
from twite.errors import RequestError
from twite.fields import suggestion
from twite.manifest import (
    ClassPostprocessing,
    FeaturePreprocessing,
    ImagePreprocessing,
    Postprocessing,
    Preprocessing,
    TextPreprocessing,
)
from twite.tensors import Array, Tensors, TensorSpec
from twite_build.errors import DataError
from twite_build.recipe import Data

TARGETS = ("target", "label")


class Wanted(NamedTuple):
    """The recipe's stages, class names and [data] table."""

    preprocess: Preprocessing
    postprocess: Postprocessing
    labels: tuple[str, ...]
    data: Data

    def target_column(self, columns: Sequence[str], where: str) -> str | None:
        """The column of the right answers: [data] target, or 'target' or 'label' where one is.

        Raises DataError when the one that the recipe names is not there.
        """
        named = self.data.target
        if named is not None and named not in columns:
            hint = suggestion(named, columns)
            raise DataError(f"{where} has no column '{named}', the recipe's [data] target{hint}")
        return named or next((name for name in TARGETS if name in columns), None)


def request_format(how: Preprocessing, features: int) -> RequestFormat:
    """What a request for this recipe decodes to, known before there is a model.

    features is how many numbers a row has where the recipe names no columns.
    """
    if isinstance(how, ImagePreprocessing):
        pixels = TensorSpec(how.input, "uint8", (-1, how.height, how.width, how.channels))
        return RequestFormat((pixels,), image=how)
    if isinstance(how, TextPreprocessing):
        return RequestFormat((TensorSpec(how.input, "int32", (-1, how.length)),), text=how)
    if not isinstance(how, FeaturePreprocessing):
        raise DataError("[preprocess] kind 'tensors' takes its samples from an .npz file")
    row = TensorSpec(how.input, "float32", (-1, len(how.columns) or features))
    return RequestFormat((row,), None, how.columns, how.nonfinite == "allow")


def decoded(body: bytes, content_type: str, form: RequestFormat, where: str) -> Tensors:
    """A sample as the runtime decodes a request; raises DataError that begins with where."""
    try:
        return decode(body, content_type, form).tensors
    except RequestError as error:
        raise DataError(f"{where}: {error}") from error


def decoded_rows(rows: Array, how: FeaturePreprocessing, where: str) -> Tensors:
    return decoded(npy(rows), NPY, request_format(how, rows.shape[1]), where)


def targets(values: Sequence[object], wanted: Wanted, wheres: Sequence[str]) -> Array:
    """Right answers as a file spells them to what is compared; wheres name each for messages.

    Classes: a label or its number, (N,) int64. Otherwise numbers, (N,) float64.
    """
    if isinstance(wanted.postprocess, ClassPostprocessing):
        number = {label: i for i, label in enumerate(wanted.labels)}
        pairs = zip(values, wheres, strict=True)
        return np.array([_class(value, number, where) for value, where in pairs], np.int64)
    numbers = [_number(value, where) for value, where in zip(values, wheres, strict=True)]
    return np.array(numbers, np.float64)


def _class(value: object, number: dict[str, int], where: str) -> int:
    text = str(value).strip()
    if text in number:
        return number[text]
    if text.isascii() and text.isdigit() and int(text) < len(number):
        return int(text)
    hint = suggestion(text, tuple(number)) if len(number) <= 20 else ""
    raise DataError(f"{where}: '{text[:60]}' is none of the recipe's {len(number)} labels{hint}")


def _number(value: object, where: str) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise DataError(f"{where}: '{str(value)[:60]}' is no number") from error
