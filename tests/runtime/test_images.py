import io
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from twite.errors import RequestError
from twite.images import decode_image
from twite.manifest import ImagePreprocessing
from twite.tensors import Array

RNG = np.random.default_rng(7)
LOSSLESS: list[tuple[str, dict[str, object]]] = [("PNG", {}), ("WEBP", {"lossless": True})]


def sized(width: int, height: int, channels: int = 3, **how: object) -> ImagePreprocessing:
    plain = ImagePreprocessing(
        kind="image", input="x", height=height, width=width, channels=1 if channels == 1 else 3
    )
    return plain._replace(**how)  # type: ignore[arg-type]


def noise(width: int, height: int, *channels: int) -> Array:
    return RNG.integers(0, 256, (height, width, *channels), dtype=np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png(
    width: int, height: int, depth: int, colour: int, pixels: bytes, trns: bytes = b""
) -> bytes:
    """A PNG written by hand: Pillow cannot write every kind that it can meet."""
    size = len(pixels) // height
    lines = b"".join(b"\0" + pixels[i * size : (i + 1) * size] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", trns), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
        if data or name != b"tRNS"
    )


def smooth(width: int, height: int) -> Array:
    """Colours that change slowly, so that JPEG and resampling keep them."""
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)[:, None]
    planes = np.broadcast_arrays(across, down, (across + down) / 2)
    return np.stack(planes, axis=-1).astype(np.uint8)


def refusal(body: bytes, image: ImagePreprocessing | None = None) -> str:
    with pytest.raises(RequestError) as refused:
        decode_image(body, image or sized(4, 4))
    return str(refused.value)


@pytest.mark.parametrize(("kind", "options"), [*LOSSLESS, ("BMP", {})])
def test_reads_every_lossless_format_to_the_pixel(kind: str, options: dict[str, object]) -> None:
    pixels = noise(7, 5, 3)
    body = saved(Image.fromarray(pixels), kind, **options)
    decoded = decode_image(body, sized(7, 5))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_reads_lossy_formats(kind: str) -> None:
    pixels = smooth(64, 48)
    body = saved(Image.fromarray(pixels), kind, quality=95)
    np.testing.assert_allclose(decode_image(body, sized(64, 48)), pixels, atol=8)


# EXIF 2.32, 4.6.5.1: stored[row, column] of a picture whose upright pixels are u.
STORED: dict[int, Callable[[Array], Array]] = {
    1: lambda u: u,
    2: lambda u: u[:, ::-1],
    3: lambda u: u[::-1, ::-1],
    4: lambda u: u[::-1],
    5: lambda u: u.swapaxes(0, 1),
    6: lambda u: u[:, ::-1].swapaxes(0, 1),
    7: lambda u: u[::-1, ::-1].swapaxes(0, 1),
    8: lambda u: u[::-1].swapaxes(0, 1),
}


def exif(orientation: object) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_turns_the_picture_upright(orientation: int, kind: str, options: dict[str, object]) -> None:
    upright = noise(6, 4, 3)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    body = saved(stored, kind, exif=exif(orientation), **options)
    np.testing.assert_array_equal(decode_image(body, sized(6, 4)), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_turns_a_large_jpeg_upright(orientation: int, fit: str) -> None:
    upright = smooth(640, 320)
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    body = saved(stored, "JPEG", quality=95, exif=exif(orientation))
    image = sized(40, 20, fit=fit)
    whole = saved(Image.fromarray(upright), "PNG")
    np.testing.assert_allclose(
        decode_image(body, image), decode_image(whole, image).astype(int), atol=8
    )


DAMAGED = b"Exif\0\0II*\0\xff\xff\xff\x7f"


@pytest.mark.parametrize("tags", [exif(0), exif(9), exif(65535), DAMAGED])
def test_an_orientation_that_makes_no_sense_is_none(tags: bytes) -> None:
    pixels = noise(6, 4, 3)
    body = saved(Image.fromarray(pixels), "PNG", exif=tags)
    np.testing.assert_array_equal(decode_image(body, sized(6, 4)), pixels)


def test_transparency_lies_on_white() -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    decoded = decode_image(saved(Image.fromarray(rgba), "PNG"), sized(3, 1))
    assert decoded.tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 204]]]


def test_transparent_grey_lies_on_white() -> None:
    grey = np.array([[[10, 255], [10, 0]]], np.uint8)
    body = saved(Image.fromarray(grey, "LA"), "PNG")
    assert decode_image(body, sized(2, 1, 1)).tolist() == [[[10], [255]]]
    assert decode_image(body, sized(2, 1)).tolist() == [[[10] * 3, [255] * 3]]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_reads_the_colours_of_a_palette(kind: str) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    decoded = decode_image(saved(picture, kind), sized(3, 1))
    assert decoded.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]


@pytest.mark.parametrize(
    ("kind", "transparency"), [("GIF", 2), ("PNG", 2), ("PNG", bytes([255, 255, 0]))]
)
def test_a_transparent_colour_of_a_palette_is_white(kind: str, transparency: int | bytes) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    decoded = decode_image(saved(picture, kind, transparency=transparency), sized(3, 1))
    assert decoded.tolist() == [[[255, 0, 0], [0, 255, 0], [255, 255, 255]]]


def test_a_palette_with_half_transparent_colours_lies_on_white() -> None:
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 0, 0])
    body = saved(picture, "PNG", transparency=bytes([255, 51]))
    assert decode_image(body, sized(2, 1)).tolist() == [[[255, 0, 0], [204, 204, 204]]]


def test_a_transparent_colour_of_plain_rgb_is_white() -> None:
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    body = saved(Image.fromarray(pixels), "PNG", transparency=(4, 5, 6))
    assert decode_image(body, sized(2, 1)).tolist() == [[[1, 2, 3], [255, 255, 255]]]


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    wide = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    body = saved(Image.fromarray(wide), "PNG")
    assert decode_image(body, sized(5, 1, 1))[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    assert decode_image(body, sized(5, 1))[0, 3].tolist() == [128, 128, 128]
    keyed = png(2, 1, 16, 0, struct.pack(">HH", 1000, 2000), struct.pack(">H", 1000))
    assert decode_image(keyed, sized(2, 1, 1))[0, :, 0].tolist() == [255, 7]


def test_sixteen_bit_colours_are_scaled() -> None:
    pixels = struct.pack(">6H", 0, 256, 65535, 32768, 255, 512)
    decoded = decode_image(png(2, 1, 16, 2, pixels), sized(2, 1))
    assert decoded.tolist() == [[[0, 1, 255], [128, 0, 2]]]
    pixels = struct.pack(">8H", 65535, 0, 0, 65535, 65535, 0, 0, 0)
    decoded = decode_image(png(2, 1, 16, 6, pixels), sized(2, 1))
    assert decoded.tolist() == [[[255, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_reads_the_inverted_cmyk_that_jpeg_holds(
    ink: tuple[int, ...], colour: tuple[int, ...]
) -> None:
    body = saved(Image.new("CMYK", (8, 8), ink), "JPEG", quality=100)
    assert b"Adobe" in body
    decoded = decode_image(body, sized(8, 8))
    np.testing.assert_allclose(decoded, np.broadcast_to(colour, (8, 8, 3)), atol=2)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_one_bit_is_black_and_white(kind: str) -> None:
    body = saved(Image.fromarray(np.array([[True, False]])), kind)
    assert decode_image(body, sized(2, 1, 1)).tolist() == [[[255], [0]]]
    assert decode_image(body, sized(2, 1)).tolist() == [[[255] * 3, [0] * 3]]


def test_grey_fills_three_channels() -> None:
    pixels = noise(5, 3)
    decoded = decode_image(saved(Image.fromarray(pixels), "PNG"), sized(5, 3))
    np.testing.assert_array_equal(decoded, np.stack([pixels] * 3, axis=-1))


def test_colours_become_the_luma_of_bt_601() -> None:
    pixels = noise(9, 9, 3)
    decoded = decode_image(saved(Image.fromarray(pixels), "PNG"), sized(9, 9, 1))
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    assert decoded.shape == (9, 9, 1)
    np.testing.assert_allclose(decoded[:, :, 0], luma, atol=0.51)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    body = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(body)).n_frames == 3  # type: ignore[attr-defined]
    assert decode_image(body, sized(4, 4))[0, 0].tolist() == [255, 0, 0]


def test_a_jpeg_that_holds_several_pictures_is_its_first() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    body = saved(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95)
    np.testing.assert_allclose(decode_image(body, sized(16, 16))[3, 3], [255, 0, 0], atol=3)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_the_models_own_size_is_not_resampled(fit: str, interpolation: str) -> None:
    pixels = noise(9, 6, 3)
    image = sized(9, 6, fit=fit, interpolation=interpolation)
    np.testing.assert_array_equal(
        decode_image(saved(Image.fromarray(pixels), "PNG"), image), pixels
    )


def test_stretch_ignores_the_aspect_ratio() -> None:
    pixels = np.repeat(np.array([[10, 200]], np.uint8), 4, axis=1)
    body = saved(Image.fromarray(pixels), "PNG")
    image = sized(2, 3, 1, interpolation="nearest")
    assert decode_image(body, image)[:, :, 0].tolist() == [[10, 200]] * 3


def test_crop_keeps_the_middle() -> None:
    pixels = noise(10, 4)
    body = saved(Image.fromarray(pixels), "PNG")
    decoded = decode_image(body, sized(4, 4, 1, fit="crop"))
    np.testing.assert_array_equal(decoded[:, :, 0], pixels[:, 3:7])
    tall = saved(Image.fromarray(np.ascontiguousarray(pixels.T)), "PNG")
    decoded = decode_image(tall, sized(4, 4, 1, fit="crop"))
    np.testing.assert_array_equal(decoded[:, :, 0], pixels.T[3:7])


def test_crop_keeps_its_fraction_of_the_shorter_side() -> None:
    pixels = noise(16, 8)
    body = saved(Image.fromarray(pixels), "PNG")
    decoded = decode_image(body, sized(4, 4, 1, fit="crop", crop_fraction=0.5))
    np.testing.assert_array_equal(decoded[:, :, 0], pixels[2:6, 6:10])


def test_pad_letterboxes_in_black() -> None:
    body = saved(Image.new("L", (8, 4), 200), "PNG")
    decoded = decode_image(body, sized(4, 4, 1, fit="pad"))[:, :, 0]
    assert decoded.tolist() == [[0] * 4, [200] * 4, [200] * 4, [0] * 4]
    body = saved(Image.new("L", (4, 8), 200), "PNG")
    assert decode_image(body, sized(4, 4, 1, fit="pad"))[0, :, 0].tolist() == [0, 200, 200, 0]


def test_interpolation_is_the_manifests() -> None:
    body = saved(Image.fromarray(np.array([[0, 255]], np.uint8)), "PNG")
    rows = {
        name: decode_image(body, sized(4, 1, 1, interpolation=name))[0, :, 0].tolist()
        for name in ("nearest", "bilinear", "bicubic")
    }
    assert rows["nearest"] == [0, 0, 255, 255]
    assert rows["bilinear"] == [0, 64, 191, 255]
    assert rows["bicubic"] not in (rows["nearest"], rows["bilinear"])


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (4999, 3)])
def test_fits_any_aspect_ratio(fit: str, size: tuple[int, int]) -> None:
    body = saved(Image.new("RGB", size, (9, 9, 9)), "PNG")
    for fraction in (1.0, 0.875, 0.1):
        decoded = decode_image(body, sized(30, 20, fit=fit, crop_fraction=fraction))
        assert (decoded.shape, decoded.max()) == ((20, 30, 3), 9)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_refuses_a_truncated_picture(kind: str) -> None:
    body = saved(Image.fromarray(noise(64, 64, 3)), kind)
    for part in (0.1, 0.5, 0.9):
        message = refusal(body[: int(len(body) * part)])
        assert "is broken or truncated: " in message or "cannot be read" in message


@pytest.mark.parametrize("body", [b"\0", b"not a picture", b"%PDF-1.7 ...", b"\xff\xd8\xff"])
def test_says_what_a_body_that_is_no_picture_begins_with(body: bytes) -> None:
    assert refusal(body) == (
        f"the picture cannot be read; its {len(body)} bytes begin with {body[:8]!r}, "
        "and only JPEG, PNG, WEBP, BMP, GIF are known"
    )


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "ICO", "TGA", "EPS", "PDF"])
def test_reads_no_other_format(kind: str) -> None:
    assert "only JPEG, PNG, WEBP, BMP, GIF are known" in refusal(
        saved(Image.new("RGB", (32, 32)), kind)
    )


def jpeg_bomb() -> bytes:
    body = bytearray(saved(Image.new("RGB", (8, 8)), "JPEG"))
    frame = body.index(b"\xff\xc0")
    body[frame + 5 : frame + 9] = struct.pack(">HH", 50_000, 50_000)
    return bytes(body)


@pytest.mark.parametrize("bomb", [png(50_000, 50_000, 8, 2, b"\0" * 50_000), jpeg_bomb()])
def test_refuses_fifty_thousand_by_fifty_thousand_pixels(bomb: bytes) -> None:
    wanted = "the picture has more pixels than the 50,000,000 that are read: "
    assert refusal(bomb).startswith(wanted + "Image size (2500000000 pixels)")


@pytest.mark.parametrize(("width", "height"), [(7_100, 7_100), (50_000_001, 1)])
def test_names_the_size_of_a_picture_that_is_too_large(width: int, height: int) -> None:
    body = png(width, height, 1, 0, b"\0" * height)
    assert refusal(body) == (
        f"the picture is {width} x {height} pixels; at most 50,000,000 are read"
    )


def test_refuses_a_bomb_between_pillows_warning_and_its_error() -> None:
    body = png(10_000, 10_000, 1, 0, b"\0" * 10_000)
    assert "50,000,000" in refusal(body)


def test_only_its_own_formats_are_loaded() -> None:
    code = """
import sys
from twite.errors import RequestError
from twite.images import decode_image
from twite.manifest import ImagePreprocessing
try:
    decode_image(b"no picture", ImagePreprocessing("image", "x", 4, 4, 3))
except RequestError:
    print("PIL.TiffImagePlugin" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nothing_but_a_request_error_comes_out_of_a_broken_picture() -> None:
    draw = random.Random(7)
    picture = Image.fromarray(noise(24, 16, 3))
    tags = exif(6)
    bodies = [
        saved(picture, "JPEG", exif=tags),
        saved(picture, "JPEG", progressive=True, exif=tags),
        saved(picture, "PNG", exif=tags),
        saved(picture.convert("P"), "PNG", transparency=3),
        saved(picture, "WEBP", exif=tags),
        saved(picture, "BMP"),
        saved(picture, "GIF"),
        saved(picture, "GIF", save_all=True, append_images=[picture.rotate(90)]),
    ]
    image = sized(8, 8)
    for _ in range(4_000):
        body = bytearray(draw.choice(bodies))
        for _ in range(draw.randint(1, 6)):
            at = draw.randrange(min(len(body), draw.choice([64, 200, len(body)])))
            body[at : at + draw.randint(0, 3)] = draw.randbytes(draw.randint(0, 3))
        try:
            assert decode_image(bytes(body), image).shape == (8, 8, 3)
        except RequestError:
            continue
