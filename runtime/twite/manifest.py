"""The manifest of a bundle, `bundle.json`, as data. docs/bundle.md is its specification.

The same preprocessing and postprocessing tables stand in a recipe, so that what the build step
verifies is what the runtime does.
"""

from dataclasses import dataclass
from typing import Literal

from twite.tensors import TensorSpec

SCHEMA_VERSION = 1

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ImagePreprocessing:
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


@dataclass(frozen=True, slots=True)
class FeaturePreprocessing:
    """A row of numbers to (N, features): (value - mean) / scale.

    columns name the features in order; mean and scale have one entry or one a feature.
    """

    kind: Literal["features"]
    input: str
    columns: tuple[str, ...] = ()
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    nonfinite: Literal["forbid", "allow"] = "forbid"


@dataclass(frozen=True, slots=True)
class TensorPreprocessing:
    """Tensors reach the model as they came."""

    kind: Literal["tensors"]
    nonfinite: Literal["forbid", "allow"] = "forbid"


@dataclass(frozen=True, slots=True)
class ClassPostprocessing:
    """Scores (N, classes) to the top_k classes with their confidence, best first."""

    kind: Literal["classes"]
    output: str
    labels: str = "labels.txt"
    top_k: int = 3
    activation: Literal["none", "softmax", "sigmoid"] = "none"


@dataclass(frozen=True, slots=True)
class RegressionPostprocessing:
    """Values (N,) or (N, targets) to numbers: value * scale + offset, rounded to `decimals`."""

    kind: Literal["regression"]
    output: str
    scale: float = 1.0
    offset: float = 0.0
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class TensorPostprocessing:
    """Every output as nested lists under its name."""

    kind: Literal["tensors"]


Preprocessing = ImagePreprocessing | FeaturePreprocessing | TensorPreprocessing
Postprocessing = ClassPostprocessing | RegressionPostprocessing | TensorPostprocessing


@dataclass(frozen=True, slots=True)
class FileEntry:
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """An engine that verified this bundle, on which machine (`platform.machine()`)."""

    name: str
    version: str
    machine: str


@dataclass(frozen=True, slots=True)
class Golden:
    """Decoded inputs and the raw outputs that the verified model gave for them.

    inputs and outputs map a tensor's name to its `.npy` file, (count, ...) each; tolerance maps an
    output's name to the largest absolute difference that another machine may show.
    """

    count: int
    inputs: dict[str, str]
    outputs: dict[str, str]
    tolerance: dict[str, float]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the model came from: hashes of source and recipe, versions of the tools."""

    source: str
    source_sha256: str
    recipe_sha256: str
    tools: dict[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
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
