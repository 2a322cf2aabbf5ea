"""Samples, whatever they are kept in: the file's kind follows from its name."""

from pathlib import Path

from twite.manifest import TextPreprocessing
from twite_build.data.callables import read_callable
from twite_build.data.npz import read_npz
from twite_build.data.pictures import read_pictures
from twite_build.data.tables import read_lines, read_table
from twite_build.data.wanted import Wanted
from twite_build.errors import DataError
from twite_build.samples import Samples, check_samples

KINDS = "an .npz, .csv or .jsonl file, a folder of pictures, or samples.py:function"


def read_samples(path: Path, wanted: Wanted) -> Samples:
    """Read samples and check them against what a request decodes to.

    Raises DataError that names the file and, where it is one sample's fault, the sample.
    """
    samples = _read(path, wanted)
    check_samples(samples, wanted.preprocess)
    return samples


def _read(path: Path, wanted: Wanted) -> Samples:
    if ":" in path.name and not path.exists():
        return read_callable(path, wanted)
    if path.is_dir():
        return read_pictures(path, wanted)
    ending = path.suffix.lower()
    if ending == ".csv":
        return read_table(path, wanted)
    if ending in (".jsonl", ".ndjson"):
        return read_lines(path, wanted)
    if ending in (".npz", ".npy"):
        return read_npz(path, wanted)
    if not path.exists():
        raise DataError(f"{path} is not there; samples are {KINDS}")
    text = " with the texts in a column" if isinstance(wanted.preprocess, TextPreprocessing) else ""
    raise DataError(f"{path}: what kind of samples is it? Known are {KINDS}{text}")
