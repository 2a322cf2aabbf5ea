"""Pixels to a small PNG without a picture library, which a build of features has not."""

import struct
import zlib
from base64 import b64encode

import numpy as np

from twite.tensors import Array

LONGEST_EDGE = 112
_COLOR_TYPES = {1: 0, 3: 2}


def data_uri(pixels: Array) -> str:
    """(height, width, 1 or 3) uint8, shrunk to LONGEST_EDGE, as the text of an image's source."""
    return "data:image/png;base64," + b64encode(png(shrunk(pixels))).decode()


def shrunk(pixels: Array) -> Array:
    """The mean of each block of pixels; a picture that is small enough stays as it is."""
    height, width, channels = pixels.shape
    step = -(-max(height, width) // LONGEST_EDGE)
    rows, columns = height // step, width // step
    if step == 1 or not rows or not columns:
        return pixels
    cut = pixels[: rows * step, : columns * step].reshape(rows, step, columns, step, channels)
    small: Array = cut.mean(axis=(1, 3)).round().astype(np.uint8)
    return small


def png(pixels: Array) -> bytes:
    """PNG (ISO/IEC 15948) of 8 bits a channel, no filter."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
