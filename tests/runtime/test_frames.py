"""Where the model's input lies in a picture, for each way to fit one."""

import io

import numpy as np
import pytest
from PIL import Image

from twite.decode import RequestFormat, decode
from twite.frames import frame, whole_frame
from twite.images import decode_framed
from twite.manifest import ImagePreprocessing
from twite.tensors import TensorSpec

SQUARE = ImagePreprocessing("image", "image", 100, 100, 3)


def jpeg(width: int, height: int, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = io.BytesIO()
    Image.new("RGB", (width, height)).save(body, "JPEG", exif=exif)
    return body.getvalue()


@pytest.mark.parametrize(
    ("fit", "fraction", "area"),
    [
        ("stretch", 1.0, (0, 0, 400, 200)),
        ("pad", 1.0, (0, -100, 400, 300)),
        ("crop", 1.0, (100, 0, 300, 200)),
        ("crop", 0.5, (150, 50, 250, 150)),
    ],
)
def test_the_area_of_a_wide_picture(fit: str, fraction: float, area: tuple[float, ...]) -> None:
    how = SQUARE._replace(fit=fit, crop_fraction=fraction)  # type: ignore[arg-type]
    assert frame((400, 200), how).area == pytest.approx(area)


def test_a_picture_of_the_models_size_is_its_own_frame() -> None:
    assert frame((100, 100), SQUARE) == whole_frame(SQUARE)


def test_a_turned_picture_has_the_size_that_a_viewer_shows() -> None:
    _, upright = decode_framed(jpeg(40, 20, orientation=6), SQUARE)
    assert upright.picture == (20, 40)


def test_a_draft_of_a_jpeg_keeps_the_size_of_the_whole() -> None:
    pixels, whole = decode_framed(jpeg(1600, 1200), SQUARE)
    assert pixels.shape == (100, 100, 3)
    assert whole.picture == (1600, 1200)
    assert whole.area == (0, 0, 1600, 1200)


def test_a_request_keeps_one_frame_a_picture_and_none_for_pixels() -> None:
    wanted = RequestFormat((TensorSpec("image", "uint8", (-1, 100, 100, 3)),), image=SQUARE)
    sent = decode(jpeg(40, 20), "image/jpeg", wanted)
    assert [f.picture for f in sent.frames] == [(40, 20)]
    body = io.BytesIO()
    np.save(body, np.zeros((2, 100, 100, 3), np.uint8))
    assert decode(body.getvalue(), "application/x-npy", wanted).frames == ()
