"""Samples from a folder of pictures: a sub-folder a class, a labels.csv, or no answers at all."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from twite.manifest import ImagePreprocessing
from twite.tensors import Array
from twite_build.data.tables import read_csv
from twite_build.data.wanted import Wanted, decoded, request_format, targets
from twite_build.errors import DataError
from twite_build.samples import Samples

LABELS = "labels.csv"
FILE = "file"


class Picture(NamedTuple):
    """A file, and what is right for it as the folder spells it."""

    path: Path
    answer: str | None
    where: str


def read_pictures(path: Path, wanted: Wanted) -> Samples:
    """Every picture of the folder, decoded as the runtime decodes one that is sent.

    A file that is no picture raises DataError with its name, or is left out and told where the
    recipe says unreadable = "skip".
    """
    how = wanted.preprocess
    if not isinstance(how, ImagePreprocessing):
        raise DataError(f"{path} is a folder; [preprocess] kind '{how.kind}' takes no pictures")
    pixels: list[Array] = []
    read: list[Picture] = []
    skipped: list[str] = []
    for picture in _pictures(path, wanted):
        try:
            pixels.append(_pixels(picture.path, how))
            read.append(picture)
        except DataError as error:
            if wanted.data.unreadable == "refuse":
                hint = 'mend or remove it, or set unreadable = "skip" in [data]'
                raise DataError(f"{error}; {hint}") from error
            skipped.append(str(picture.path.relative_to(path)))
    if not read:
        raise DataError(f"{path} holds no picture that can be read ({len(skipped)} cannot)")
    return Samples(path, {how.input: np.stack(pixels)}, _answers(read, wanted), tuple(skipped))


def _pixels(path: Path, how: ImagePreprocessing) -> Array:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    tensors = decoded(body, "image/*", request_format(how, 0), str(path))
    array: Array = tensors[how.input][0]
    return array


def _answers(pictures: list[Picture], wanted: Wanted) -> Array | None:
    answers = [picture.answer for picture in pictures]
    if any(answer is None for answer in answers):
        return None
    return targets(answers, wanted, [picture.where for picture in pictures])


def _pictures(path: Path, wanted: Wanted) -> list[Picture]:
    """Sorted by name; hidden files are not looked at."""
    if (path / LABELS).is_file():
        return _listed(path, wanted)
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if not entry.is_dir()]
    if folders and files:
        raise DataError(
            f"{path} holds folders and '{files[0].name}' beside them; put every picture into the "
            f"folder of its class, or list them in {LABELS}"
        )
    if not folders:
        return [Picture(file, None, str(file)) for file in files]
    return [
        Picture(file, folder.name, f"the folder {folder}")
        for folder in folders
        for file in sorted(folder.iterdir())
        if not file.name.startswith(".")
    ]


def _listed(path: Path, wanted: Wanted) -> list[Picture]:
    listing = path / LABELS
    columns, rows = read_csv(listing)
    if FILE not in columns:
        raise DataError(f"{listing} has no column '{FILE}', the picture's name in {path.name}")
    target = wanted.target_column(columns, str(listing))
    found = []
    for line, row in rows:
        file = path / row[FILE]
        if not file.resolve().is_relative_to(path.resolve()):
            raise DataError(f"{listing} line {line} names '{row[FILE]}', which is not in {path}")
        found.append(Picture(file, row[target] if target else None, f"{listing} line {line}"))
    return found
