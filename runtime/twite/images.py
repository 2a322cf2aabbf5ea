"""Encoded pictures to pixels of the model's size, read as a viewer would show them.

The EXIF orientation is applied, transparency lies on white (what nearly every viewer shows),
16 bits become 8 by dropping the lower half, CMYK and palettes become RGB, an animation is its
first frame, and grey is ITU-R BT.601 luma. Colour profiles are not applied. Only this module
imports Pillow, and it is imported when the first picture comes.
"""

import math
from io import BytesIO

import numpy as np

# Without WebP's plugin at hand Image.open imports all forty to look for it.
from PIL import Image, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from twite.errors import RequestError
from twite.frames import Frame, fit, frame
from twite.manifest import ImagePreprocessing
from twite.tensors import Array

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MOST_PIXELS = 50_000_000

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_ORIENTATION = 0x0112
# EXIF 2.32, 4.6.5.1: which way the stored rows and columns are to be shown; 1 is as they are.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(body: bytes, image: ImagePreprocessing) -> Array:
    """One picture as uint8 (height, width, channels), fitted to the model's size.

    Raises as decode_framed does.
    """
    return decode_framed(body, image)[0]


def decode_framed(body: bytes, image: ImagePreprocessing) -> tuple[Array, Frame]:
    """The pixels of decode_image, and where they lie in the picture.

    Raises RequestError when body is no picture, is broken, or declares more than MOST_PIXELS
    pixels, which is refused before any pixel is decoded.
    """
    try:
        picture, size = _read(body, image)
    except RequestError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        message = f"the picture has more pixels than the {MOST_PIXELS:,} that are read: {error}"
        raise RequestError(message) from error
    except UnidentifiedImageError as error:
        came = f"the picture cannot be read; its {len(body)} bytes begin with {body[:8]!r}"
        message = f"{came}, and only {', '.join(FORMATS)} are known"
        raise RequestError(message) from error
    # Pillow's readers have no exception in common: a broken file can end as nearly any.
    except Exception as error:
        message = f"the picture ({len(body)} bytes) is broken or truncated: {error}"
        raise RequestError(message) from error
    pixels = np.asarray(_fit(picture, image))
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return pixels, frame(size, image)


def _read(body: bytes, image: ImagePreprocessing) -> tuple[Image.Image, tuple[int, int]]:
    """The whole picture, upright and in the model's channels, and its own size upright.

    The picture may be a draft of half that size or less.
    """
    picture: Image.Image = Image.open(BytesIO(body), formats=FORMATS)
    width, height = picture.size
    if width * height > MOST_PIXELS:
        message = f"the picture is {width} x {height} pixels; at most {MOST_PIXELS:,} are read"
        raise RequestError(message)
    orientation = _orientation(picture)
    size = (width, height) if orientation < 5 else (height, width)
    _draft(picture, image, is_turned=orientation >= 5)
    picture = _in_channels(picture, "L" if image.channels == 1 else "RGB")
    if orientation != 1:
        picture = picture.transpose(_UPRIGHT[orientation])
    return picture, size


def _orientation(picture: Image.Image) -> int:
    """1 to 8; a damaged EXIF block does no harm to the pixels, so it counts as none."""
    try:
        value = picture.getexif().get(_ORIENTATION)
    except Exception:
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _draft(picture: Image.Image, image: ImagePreprocessing, *, is_turned: bool) -> None:
    """Let a JPEG of twice the size needed or more decode at 1/2, 1/4 or 1/8 of its own."""
    width, height = reversed(picture.size) if is_turned else picture.size
    (left, top, right, bottom), inner = fit((width, height), image)
    needed = (
        math.ceil(width * inner[0] / (right - left)),
        math.ceil(height * inner[1] / (bottom - top)),
    )
    picture.draft(None, needed[::-1] if is_turned else needed)


def _is_transparent(picture: Image.Image) -> bool:
    """As Pillow's own has_transparency_data, which Debian's Pillow for 32-bit ARM has not."""
    return picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info


def _in_channels(picture: Image.Image, mode: str) -> Image.Image:
    if picture.mode.startswith("I"):
        picture = _high_bytes(picture)
    elif _is_transparent(picture):
        picture = _on_white(picture.convert("RGBA"))
    if picture.mode != mode:
        return picture.convert(mode)
    picture.load()
    return picture


def _high_bytes(picture: Image.Image) -> Image.Image:
    """16-bit grey, which Pillow's own conversion clips at 255, to 8 bits."""
    wide = np.asarray(picture)
    grey = (wide >> 8).astype(np.uint8)
    transparent = picture.info.get("transparency")
    if transparent is not None:
        grey[wide == transparent] = 255
    return Image.fromarray(grey)


def _on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture)
    return white


def _fit(picture: Image.Image, image: ImagePreprocessing) -> Image.Image:
    """Exactly the model's size; a picture that already has it is not resampled."""
    box, inner = fit(picture.size, image)
    if picture.size != inner or box != (0, 0, *inner):
        picture = picture.resize(inner, _RESAMPLING[image.interpolation], box)
    if inner == (image.width, image.height):
        return picture
    black = Image.new(picture.mode, (image.width, image.height))
    black.paste(picture, ((image.width - inner[0]) // 2, (image.height - inner[1]) // 2))
    return black
