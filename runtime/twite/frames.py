"""Where the model's input lies in the picture that it was made from, to bring boxes back there."""

from typing import NamedTuple

from twite.manifest import ImagePreprocessing
from twite.tensors import Array

Size = tuple[int, int]
Box = tuple[float, float, float, float]


class Frame(NamedTuple):
    """The upright picture's (width, height), and the area of it that the model's input covers.

    area is left, top, right and bottom in pixels of the picture; it reaches beyond the picture
    where that was letterboxed.
    """

    picture: Size
    area: Box


class Scene(NamedTuple):
    """What a detector's boxes are relative to: its anchors, its input and a frame a sample.

    anchors is (anchors, 4) float32, centre and size as fractions of the input. Without frames the
    samples came as pixels of the model's own size.
    """

    anchors: Array
    image: ImagePreprocessing
    frames: tuple[Frame, ...] = ()


def whole_frame(image: ImagePreprocessing) -> Frame:
    """The frame of an input that came as pixels of the model's own size."""
    return Frame((image.width, image.height), (0, 0, image.width, image.height))


def frame(picture: Size, image: ImagePreprocessing) -> Frame:
    """The frame of a picture of this size, once it is fitted to the model's."""
    (left, top, right, bottom), (width, height) = fit(picture, image)
    across, down = (right - left) / width, (bottom - top) / height
    left -= (image.width - width) // 2 * across
    top -= (image.height - height) // 2 * down
    return Frame(picture, (left, top, left + image.width * across, top + image.height * down))


def fit(picture: Size, image: ImagePreprocessing) -> tuple[Box, Size]:
    """The part of a picture of this size that is used, and the size to bring it to."""
    width, height = picture
    whole, target = (0, 0, width, height), (image.width, image.height)
    across, down = width / image.width, height / image.height
    if image.fit == "pad":
        shrink = max(across, down)
        return whole, (max(1, round(width / shrink)), max(1, round(height / shrink)))
    if image.fit == "stretch":
        return whole, target
    part = image.crop_fraction * min(across, down)
    left = max(0.0, (width - part * image.width) / 2)
    top = max(0.0, (height - part * image.height) / 2)
    return (left, top, width - left, height - top), target
