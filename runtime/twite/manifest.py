"""The manifest of a bundle, `bundle.json`, as data. docs/bundle.md is its specification.

The same preprocessing and postprocessing tables stand in a recipe, so that what the build step
verifies is what the runtime does.
"""

from typing import Literal, NamedTuple

from twite.tensors import TensorSpec

SCHEMA_VERSION = 1

Scalar = str | int | float | bool


class ImagePreprocessing(NamedTuple):
    """One picture to (N, height, width, channels): (pixel - mean) / scale, pixels 0 to 255.

    mean and scale have one entry or one a channel. crop keeps the middle `crop_fraction` of the
    shorter side; pad letterboxes in black; stretch ignores the aspect ratio.
    """

    kind: Literal["image"]
    input: str
    height: int
    width: int
    channels: Literal[1, 3]
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    crop_fraction: float = 1.0
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (255.0,)


class FeaturePreprocessing(NamedTuple):
    """A row of numbers to (N, features): (value - mean) / scale.

    columns name the features in order; mean and scale have one entry or one a feature.
    """

    kind: Literal["features"]
    input: str
    columns: tuple[str, ...] = ()
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    nonfinite: Literal["forbid", "allow"] = "forbid"


class TextPreprocessing(NamedTuple):
    """A text to token numbers (N, length) int32: hashed words, cut or padded with 0.

    A word is a run of letters and digits; its number is 1 + CRC-32 (UTF-8) modulo (buckets - 1).
    """

    kind: Literal["text"]
    input: str
    length: int
    buckets: int
    lowercase: bool = True
    nonfinite: Literal["forbid"] = "forbid"


class TensorPreprocessing(NamedTuple):
    """Tensors reach the model as they came."""

    kind: Literal["tensors"]
    nonfinite: Literal["forbid", "allow"] = "forbid"


class ClassPostprocessing(NamedTuple):
    """Scores (N, classes) to the top_k classes with their confidence, best first."""

    kind: Literal["classes"]
    output: str
    labels: str = "labels.txt"
    top_k: int = 3
    activation: Literal["none", "softmax", "sigmoid"] = "none"


class RegressionPostprocessing(NamedTuple):
    """Values (N,) or (N, targets) to numbers: value * scale + offset, rounded to `decimals`."""

    kind: Literal["regression"]
    output: str
    scale: float = 1.0
    offset: float = 0.0
    decimals: int | None = None


class BoxPostprocessing(NamedTuple):
    """Detections of an SSD-like model: anchors, scores and offsets to boxes, best first.

    `boxes` names the output (N, anchors, 4 or more) whose first four are centre x, centre y, width
    and height in pixels of the model's input, relative to the anchor; `scores` (N, anchors, 1).
    anchors is the bundle's `.npy` file, (anchors, 4) float32 as centre and size from 0 to 1.
    Boxes that overlap a better one by more than `overlap` (intersection over union) are dropped.
    """

    kind: Literal["boxes"]
    boxes: str
    scores: str
    anchors: str = "anchors.npy"
    activation: Literal["none", "sigmoid"] = "sigmoid"
    minimum_score: float = 0.5
    overlap: float = 0.3
    label: str = "object"
    top_k: int = 10


class TensorPostprocessing(NamedTuple):
    """Every output as nested lists under its name."""

    kind: Literal["tensors"]


Preprocessing = ImagePreprocessing | FeaturePreprocessing | TextPreprocessing | TensorPreprocessing
Postprocessing = (
    ClassPostprocessing | RegressionPostprocessing | BoxPostprocessing | TensorPostprocessing
)


class FileEntry(NamedTuple):
    sha256: str
    size_bytes: int


class EngineVersion(NamedTuple):
    """An engine that verified this bundle, on which machine (`platform.machine()`)."""

    name: str
    version: str
    machine: str


class Golden(NamedTuple):
    """Decoded inputs and the raw outputs that the verified model gave for them.

    inputs and outputs map a tensor's name to its `.npy` file, (count, ...) each; tolerance maps an
    output's name to the largest absolute difference that another machine may show.
    """

    count: int  # type: ignore[assignment]  # shadows a method that nobody needs
    inputs: dict[str, str]
    outputs: dict[str, str]
    tolerance: dict[str, float]


class Signature(NamedTuple):
    """A further signature of the model: tensors in, tensors out, with golden samples of its own."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    golden: Golden


class Signatures(NamedTuple):
    """main names the signature that the manifest itself describes, further are the others."""

    main: str
    further: tuple[Signature, ...] = ()


class Companion(NamedTuple):
    """The same model compiled for an accelerator of the catalogue, with its custom operators."""

    accelerator: str
    model: str
    operators: tuple[str, ...]
    compiler: str


class Provenance(NamedTuple):
    """Where the model came from, and what is needed to build it again.

    files maps every other file that the build read, as the recipe names it, to its SHA-256;
    notes are what the conversion had to decide ("random weights").
    """

    source: str
    source_sha256: str
    recipe_sha256: str
    tools: dict[str, str]
    kind: str = ""
    command: str = ""
    files: dict[str, str] = {}  # noqa: RUF012
    notes: tuple[str, ...] = ()


class Manifest(NamedTuple):
    format: Literal["twite-bundle"]
    schema_version: int
    name: str
    version: str
    quantization: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing
    postprocessing: Postprocessing
    files: dict[str, FileEntry]
    golden: Golden
    engines: tuple[EngineVersion, ...]
    provenance: Provenance
    measurements: dict[str, Scalar]
    description: str = ""
    model: str = "model.tflite"
    target: str = "any"
    allowed: tuple[str, ...] = ()
    companions: tuple[Companion, ...] = ()
    signatures: Signatures | None = None
