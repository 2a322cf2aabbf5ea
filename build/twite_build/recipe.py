"""A recipe: the TOML file that says what to build, from what, and how well it must do."""

import hashlib
import io
import re
import tomllib
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from twite.fields import from_table
from twite.frames import Scene
from twite.manifest import (
    BoxPostprocessing,
    ClassPostprocessing,
    ImagePreprocessing,
    Postprocessing,
    Preprocessing,
)
from twite_build.errors import RecipeError

Quantization = Literal[
    "int8-static", "int8-dynamic", "int8-weights", "fp16", "fp32", "int4-blockwise"
]
TargetName = Literal[
    "any", "x86_64", "arm64", "lambda-x86_64", "lambda-arm64", "pi", "jetson", "armv7"
]
Objective = Literal["latency", "size"]
Preset = Literal["fast", "small", "exact", "edgetpu"]
LADDER: tuple[Quantization, ...] = (
    "int8-static",
    "int8-dynamic",
    "int8-weights",
    "fp16",
    "fp32",
)
LABELS = "labels.txt"


SourceKind = Literal["keras", "savedmodel", "torch", "sklearn", "jax", "onnx", "tflite"]


class Source(NamedTuple):
    """The trained model; file is relative to the recipe (sources.py says which keys go together).

    signature names the main one, signatures all that the bundle is to serve.
    input_layout "nhwc" gives a model of channels-first pictures a channels-last input; "native"
    leaves its inputs alone. inputs and outputs name them in the order of the function's.
    """

    file: str
    kind: SourceKind | None = None
    function: str | None = None
    input_layout: Literal["nhwc", "native"] | None = None
    signature: str | None = None
    signatures: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    weights: str | None = None


class Data(NamedTuple):
    """Where the samples are (docs/data.md), and the classes' labels.

    target and text name columns. anchors is a detector's `.npy` file, (anchors, 4) float32.
    """

    calibration: str
    evaluation: str
    labels: tuple[str, ...] = ()
    labels_file: str | None = None
    target: str | None = None
    text: str = "text"
    unreadable: Literal["refuse", "skip"] = "refuse"
    anchors: str | None = None


class Quantize(NamedTuple):
    """Which candidates are made, and what is preferred among those that pass the gate.

    latency prefers the fastest as measured, size the smallest. A preset replaces objective,
    recipes, io and relax. io, float_layers (names of output tensors) and float_operators are about
    int8-static; relax is how many of its worst layers may be left float when it fails the gate.
    timeout_s bounds every child process.
    """

    objective: Objective = "latency"
    recipes: tuple[Quantization, ...] = LADDER
    preset: Preset | None = None
    io: Literal["float", "integer"] = "float"
    float_layers: tuple[str, ...] = ()
    float_operators: tuple[str, ...] = ()
    relax: int = 8
    timeout_s: float = 3600.0


class Verify(NamedTuple):
    """What a candidate must reach; what is left out takes the task's default (gate.py).

    Classes: shares of the samples. Regression: agreement is an R², maximum_error a share of the
    source's range, increases are relative, maximum a mean absolute error in the target's unit.
    allow loosens one by its name, NAME or NAME=VALUE, and is written into the bundle.
    """

    agreement: float | None = None
    confident_agreement: float | None = None
    top5_agreement: float | None = None
    maximum_error: float | None = None
    maximum_drop: float | None = None
    maximum_top5_drop: float | None = None
    maximum_f1_drop: float | None = None
    minimum: float | None = None
    maximum_increase: float | None = None
    maximum_rmse_increase: float | None = None
    maximum: float | None = None
    allow: tuple[str, ...] = ()


class Recipe(NamedTuple):
    name: str
    version: str
    source: Source
    data: Data
    preprocess: Preprocessing
    postprocess: Postprocessing
    description: str = ""
    target: TargetName = "any"
    quantize: Quantize = Quantize()
    verify: Verify = Verify()


class RecipeFile(NamedTuple):
    """A recipe, the folder that its paths start from, and the hash of its bytes."""

    path: Path
    sha256: str
    recipe: Recipe

    def resolve(self, file: str) -> Path:
        return self.path.parent / file


def read_recipe(path: Path) -> RecipeFile:
    """Read and check every key of a recipe; raises RecipeError that names the place."""
    content = _read(path)
    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    recipe = from_table(Recipe, table, str(path), RecipeError)
    _check(recipe, path)
    return RecipeFile(path, hashlib.sha256(content).hexdigest(), recipe)


def read_labels(file: RecipeFile) -> tuple[str, ...]:
    """The class names, from the recipe or from its labels_file; empty when there are no classes."""
    data, where = file.recipe.data, str(file.path)
    if not isinstance(file.recipe.postprocess, ClassPostprocessing):
        return ()
    labels = data.labels
    if data.labels_file is not None:
        where = str(file.resolve(data.labels_file))
        labels = tuple(_read(Path(where)).decode().splitlines())
    _check_labels(labels, where)
    return labels


def read_scene(file: RecipeFile) -> Scene | None:
    """A detector's anchors, from the file that [data] names; None for other tasks."""
    recipe, given = file.recipe, file.recipe.data.anchors
    if not isinstance(recipe.postprocess, BoxPostprocessing):
        return None
    if not isinstance(recipe.preprocess, ImagePreprocessing) or given is None:
        raise RecipeError(
            f"{file.path} answers boxes; they need [preprocess] kind 'image' and the file of the "
            "anchors in [data] anchors"
        )
    path = file.resolve(given)
    try:
        array = np.load(io.BytesIO(_read(path)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise RecipeError(f"{path} is no .npy file: {error}") from error
    if array.dtype != np.float32 or array.shape[1:] != (4,) or not np.isfinite(array).all():
        raise RecipeError(f"{path} is {array.shape} {array.dtype}; anchors are (N, 4) float32")
    return Scene(array, recipe.preprocess)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error


def _check(recipe: Recipe, path: Path) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", recipe.name):
        raise RecipeError(
            f"{path} name is '{recipe.name}'; it must be letters, digits, '.', '_' or '-', up to 64"
        )
    if not recipe.version.strip():
        raise RecipeError(f'{path} version is empty; write one like version = "1"')
    if not recipe.quantize.recipes:
        raise RecipeError(f"{path} quantize recipes is empty; known are {', '.join(LADDER)}")
    _check_labels_keys(recipe, path)


def _check_labels_keys(recipe: Recipe, path: Path) -> None:
    data, how = recipe.data, recipe.postprocess
    given = [bool(data.labels), data.labels_file is not None]
    if isinstance(how, ClassPostprocessing):
        if sum(given) != 1:
            raise RecipeError(f"{path} [data] must have exactly one of 'labels' and 'labels_file'")
        if how.labels != LABELS:
            raise RecipeError(
                f"{path} [postprocess] labels is '{how.labels}'; leave it out and name the classes "
                "in [data] labels"
            )
    elif any(given):
        raise RecipeError(f"{path} [data] has labels; [postprocess] kind '{how.kind}' has none")


def _check_labels(labels: tuple[str, ...], where: str) -> None:
    for label in labels:
        if not label.strip() or len(label.splitlines()) != 1:
            raise RecipeError(f"{where} has the label {label!r}; a label is one line of text")
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise RecipeError(f"{where} has the label '{min(twice)}' more than once")
    if len(labels) < 2:
        raise RecipeError(f"{where} has {len(labels)} labels; classes need at least 2")
