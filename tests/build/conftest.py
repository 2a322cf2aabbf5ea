"""Real models, made once a session, and recipes that build from them."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

QUADRANTS = """
name = "quadrants"
version = "1"

[source]
kind = "keras"
file = "model.keras"

[data]
calibration = "calibration.npz"
evaluation = "evaluation.npz"
labels = ["north west", "north east", "south west", "south east"]

[preprocess]
kind = "image"
input = "image"
height = 8
width = 8
channels = 1

[postprocess]
kind = "classes"
output = "logits"
activation = "softmax"
"""

NUMBER = """
name = "number"
version = "1"

[source]
kind = "keras"
file = "model.keras"

[data]
calibration = "calibration.npz"
evaluation = "evaluation.npz"

[preprocess]
kind = "features"
input = "x"

[postprocess]
kind = "regression"
output = "y"
"""


Change = tuple[str, str]


@dataclass(frozen=True)
class Trained:
    """folder / NAME holds a model and its samples; answers say what the converter said of it."""

    folder: Path
    answers: dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    maker = Path(__file__).with_name("make_models.py")
    made = subprocess.run(
        [sys.executable, str(maker), str(folder)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return Trained(folder, json.loads((folder / "answers.json").read_text()))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """Run tests/build/MAKER, which makes models of one framework and converts them (asking.py)."""

    @cache
    def make(maker: str) -> Trained:
        folder = tmp_path_factory.mktemp(maker.removesuffix(".py"))
        command = [sys.executable, str(Path(__file__).with_name(maker)), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Trained(folder, json.loads((folder / "answers.json").read_text()))

    return make


@pytest.fixture(scope="session")
def recipes() -> dict[str, str]:
    return {"quadrants": QUADRANTS, "number": NUMBER}


@pytest.fixture
def write_recipe(recipes: dict[str, str], tmp_path: Path) -> Callable[..., Path]:
    """Write a recipe, "quadrants" or "number", with pieces of its text replaced."""

    def write(kind: str, *changes: Change) -> Path:
        text = recipes[kind]
        for before, after in changes:
            assert text.count(before) == 1
            text = text.replace(before, after)
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def place(trained: Trained, write_recipe: Callable[..., Path]) -> Callable[..., Path]:
    """Write a recipe beside the files of a trained model."""

    def at(model: str, *changes: Change) -> Path:
        kind = "quadrants" if model in ("quadrants", "constant") else "number"
        path = write_recipe(kind, *changes)
        for file in (trained.folder / model).iterdir():
            (path.parent / file.name).symlink_to(file)
        return path

    return at
