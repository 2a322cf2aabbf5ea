"""Sources of several signatures: converted together, each verified, all of them in the bundle."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite.bundle import load
from twite.engine import Engine, Interpreter, signatures
from twite.model import Model
from twite.signature_interpreter import SignatureInterpreter
from twite.tensors import TensorSpec
from twite_build.data.drawn import samples_for
from twite_build.errors import SourceError
from twite_build.model_file import with_first
from twite_build.recipe import read_recipe
from twite_build.report import read_report
from twite_build.reporting.page import to_html
from twite_build.reporting.terminal import report_lines
from twite_build.scratch import load_tensors
from twite_build.sources import read_source

RECIPE = """
name = "several"
version = "1"

[source]
{source}

[data]
calibration = "samples.npz"
evaluation = "samples.npz"

[preprocess]
kind = "tensors"

[postprocess]
kind = "tensors"

[quantize]
objective = "size"
recipes = [{recipes}]
"""


@pytest.fixture(scope="session")
def sources(made: Any) -> Any:
    return made("make_signatures.py")


def build(
    folder: Path, source: str, samples: Path, *recipes: str
) -> "subprocess.CompletedProcess[str]":
    """The command's bundle is folder / "dist"."""
    named = ", ".join(f'"{recipe}"' for recipe in recipes)
    (folder / "recipe.toml").write_text(RECIPE.format(source=source, recipes=named))
    np.savez(folder / "samples.npz", **load_tensors(samples))  # type: ignore[arg-type]
    command = [sys.executable, "-m", "twite", "build", "recipe.toml", "-o", "dist", "--json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["two", "first", "loop"])
def test_converts_the_signatures_that_the_recipe_names(sources: Any, name: str) -> None:
    told, place = sources.answers[name]["result"], sources.folder / name
    model = place / "fp32.tflite"
    assert len(signatures(model)) == (1 if name == "first" else 2)
    main = {"two": "serving_default", "loop": "halve"}.get(name)
    assert told["signature"] == main
    answered = Engine(model, 1, main).run(load_tensors(place / "samples.npz"))
    for output, wanted in load_tensors(place / "source.npz").items():
        np.testing.assert_allclose(answered[output], wanted, atol=1e-4)


def test_the_main_signature_of_a_savedmodel_comes_first_in_the_file(sources: Any) -> None:
    model = sources.folder / "two" / "fp32.tflite"
    main, embed = (Engine(model, 1, name) for name in ("serving_default", "embed"))
    assert isinstance(main._interpreter, Interpreter)
    assert isinstance(embed._interpreter, SignatureInterpreter)
    assert with_first(model.read_bytes(), "serving_default") == model.read_bytes()
    kept = sources.folder / "file" / "fp32.tflite"
    assert isinstance(Engine(kept, 1, "embed")._interpreter, Interpreter)


def test_graphs_that_name_each_other_keep_their_places(sources: Any) -> None:
    model = sources.folder / "loop" / "fp32.tflite"
    assert isinstance(Engine(model, 1, "again")._interpreter, Interpreter)
    assert with_first(model.read_bytes(), "halve") == model.read_bytes()


def test_asks_a_further_signature_with_the_samples_that_fit_and_draws_the_rest(
    sources: Any,
) -> None:
    told, place = sources.answers["two"]["result"], sources.folder / "two"
    assert [each["name"] for each in told["signatures"]] == ["embed"]
    assert "signature 'embed': scale drawn at random" in told["notes"]
    samples = load_tensors(place / "signature-0.samples.npz")
    np.testing.assert_array_equal(samples["x"], load_tensors(place / "samples.npz")["x"])
    answered = Engine(place / "fp32.tflite", 1, "embed").run(samples)["embedding"]
    wanted = load_tensors(place / "signature-0.answers.npz")["embedding"]
    np.testing.assert_allclose(answered, wanted, atol=1e-4)


def test_one_signature_is_a_model_without_signatures(sources: Any) -> None:
    told = sources.answers["one"]["result"]
    assert told["signature"] is None
    assert told["signatures"] == []
    assert signatures(sources.folder / "one" / "fp32.tflite") == ("serving_default",)


@pytest.mark.parametrize(("name", "further"), [("file", ["embed", "sharp"]), ("picked", ["embed"])])
def test_takes_all_signatures_of_a_tflite_or_those_that_are_picked(
    sources: Any, name: str, further: list[str]
) -> None:
    told, place = sources.answers[name]["result"], sources.folder / name
    assert told["signature"] == "serving_default"
    assert sorted(each["name"] for each in told["signatures"]) == further
    assert (place / "fp32.tflite").read_bytes() == (place / "model.tflite").read_bytes()


@pytest.mark.parametrize("name", ["typo", "unknown"])
def test_refuses_a_signature_that_the_source_lacks(sources: Any, name: str) -> None:
    answer = sources.answers[name]
    assert answer["error"] == "RecipeError"
    assert "has no signature 'embde'; did you mean 'embed'?" in answer["message"]


def test_draws_the_same_samples_each_time_and_others_for_another_role() -> None:
    specs = [TensorSpec("pixels", "uint8", (-1, 8)), TensorSpec("index", "int64", (1, 3, -1))]
    given = {"x": np.zeros((50, 4), np.float32)}
    first, drawn = samples_for(specs, given, "evaluation")
    assert drawn == ("pixels", "index")
    assert first["pixels"].max() > 127
    assert first["index"].shape == (50, 3, 1)
    assert set(np.unique(first["index"])) == {0, 1}
    again, _ = samples_for(specs, given, "evaluation")
    other, _ = samples_for(specs, given, "calibration")
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["pixels"] != other["pixels"]).any()


def test_builds_a_bundle_of_every_signature(sources: Any, tmp_path: Path) -> None:
    (tmp_path / "saved").symlink_to(sources.folder / "two" / "saved")
    source = 'file = "saved"\nsignatures = ["serving_default", "embed"]'
    samples = sources.folder / "two" / "samples.npz"
    done = build(tmp_path, source, samples, "int8-static", "fp32")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["quantization"] == "int8-static"
    bundle = load(tmp_path / "dist")
    assert bundle.signature == "serving_default"
    view = bundle.view("embed")
    assert [spec.name for spec in view.manifest.inputs] == ["scale", "x"]
    assert view.manifest.golden.count == 8
    assert Model(view).replay() > 0
    report = read_report(tmp_path / "dist")
    assert report.signatures is not None
    assert report.signatures[0].agreement > 0.998
    assert any(line.startswith("signature embed: R² 0.99") for line in report_lines(report))
    assert b"Further signatures" in to_html(report)


def test_a_candidate_fails_with_any_of_its_signatures(sources: Any, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").symlink_to(sources.folder / "file" / "model.tflite")
    samples = sources.folder / "file" / "samples.npz"
    done = build(tmp_path, 'file = "model.tflite"', samples, "int8-dynamic", "fp32")
    assert done.returncode == 0, done.stderr
    told = {each["quantization"]: each for each in json.loads(done.stdout)["candidates"]}
    assert "signature 'sharp': R²" in told["int8-dynamic"]["reason"]
    assert set(load(tmp_path / "dist").manifest.golden.inputs) == {"x"}


def test_calibration_says_which_signature_it_lacks(sources: Any, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").symlink_to(sources.folder / "file" / "model.tflite")
    source = 'file = "model.tflite"\nsignatures = ["serving_default", "embed"]'
    samples = sources.folder / "file" / "samples.npz"
    done = build(tmp_path, source, samples, "int8-static", "int8-dynamic", "fp32")
    assert done.returncode == 0, done.stderr
    told = {each["quantization"]: each for each in json.loads(done.stdout)["candidates"]}
    assert "[source] signatures leaves out 'sharp'" in told["int8-static"]["reason"]
    assert load(tmp_path / "dist").manifest.quantization == "int8-dynamic"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('signatures = ["a", "a"]', "[source] signatures is ['a', 'a']; each is named once"),
        (
            'signature = "c"\nsignatures = ["a", "b"]',
            "[source] signature is 'c', which is not in signatures, ['a', 'b']",
        ),
    ],
)
def test_a_recipe_names_each_signature_once(source: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"")
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(source=f'file = "model.tflite"\n{source}', recipes='"fp32"'))
    with pytest.raises(SourceError) as refused:
        read_source(read_recipe(path), trust_pickle=False)
    assert str(refused.value) == message
