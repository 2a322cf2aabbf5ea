"""Recipes: every key is checked, and a wrong one is named with what was wanted."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from twite_build.errors import RecipeError
from twite_build.overrides import Overrides, with_overrides
from twite_build.recipe import LADDER, read_labels, read_recipe
from twite_build.verification.gate import read_gate

Write = Callable[..., Path]


def test_reads_a_recipe_and_fills_in_the_defaults(write_recipe: Write) -> None:
    file = read_recipe(write_recipe("quadrants"))
    assert file.recipe.name == "quadrants"
    assert file.recipe.quantize.recipes == LADDER
    gate = read_gate(file)
    assert (gate.agreement, gate.confident, gate.top5) == (0.99, 0.995, 0.99)
    assert (gate.worsening, gate.limit, gate.loosened) == (0.005, None, ())
    assert file.resolve("x.npz") == file.path.parent / "x.npz"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("channels = 1", "chanels = 1", "unknown key 'chanels'; did you mean 'channels'"),
        ("[postprocess]", "[postproces]", "unknown key 'postproces'; did you mean 'postprocess'"),
        ('kind = "keras"', 'kind = "kears"', "source kind is 'kears'; it must be one of 'keras'"),
        ('kind = "image"', 'kind = "picture"', "preprocess has kind 'picture'"),
        ("height = 8", 'height = "8"', "preprocess height is '8'; it must be a whole number"),
        ("channels = 1", "channels = 2", "preprocess channels is 2; it must be one of 1, 3"),
        ('version = "1"', "", "lacks 'version'"),
        ('version = "1"', 'version = " "', "version is empty"),
        ('name = "quadrants"', 'name = "../up"', "name is '../up'; it must be letters"),
        ('version = "1"', 'version = "1" x', "is not TOML"),
        ('"north east"', '"north west"', "the label 'north west' more than once"),
        ('"north east"', '"north\\neast"', "a label is one line of text"),
        ('output = "logits"', 'output = "logits"\nlabels = "x.txt"', "leave it out and name"),
        ('calibration = "calibration.npz"', 'labels_file = "a"\ncalibration = "c"', "exactly one"),
    ],
)
def test_refuses_a_wrong_recipe(write_recipe: Write, before: str, after: str, message: str) -> None:
    with pytest.raises(RecipeError) as refused:
        read_labels(read_recipe(write_recipe("quadrants", (before, after))))
    assert message in str(refused.value)
    assert "recipe.toml" in str(refused.value)
    assert refused.value.exit_code == 2


def test_refuses_labels_where_there_are_no_classes(write_recipe: Write) -> None:
    change = ('evaluation = "evaluation.npz"', 'evaluation = "e.npz"\nlabels = ["a", "b"]')
    with pytest.raises(RecipeError, match="has labels; .postprocess. kind 'regression' has none"):
        read_recipe(write_recipe("number", change))


def test_refuses_an_unknown_quantization(write_recipe: Write) -> None:
    change = ("[postprocess]", '[quantize]\nrecipes = ["int4"]\n[postprocess]')
    with pytest.raises(RecipeError, match="it must be one of 'int8-static', 'int8-dynamic'"):
        read_recipe(write_recipe("number", change))


def test_refuses_an_empty_ladder(write_recipe: Write) -> None:
    with pytest.raises(RecipeError, match="quantize recipes is empty"):
        read_recipe(
            write_recipe("number", ("[postprocess]", "[quantize]\nrecipes = []\n[postprocess]"))
        )


def test_names_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nowhere.toml cannot be read: No such file"):
        read_recipe(tmp_path / "nowhere.toml")


def test_reads_labels_from_their_file(write_recipe: Write, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    labels = 'labels = ["north west", "north east", "south west", "south east"]'
    file = read_recipe(write_recipe("quadrants", (labels, 'labels_file = "names.txt"')))
    assert read_labels(file) == ("a", "b", "c")


def test_the_gate_takes_the_task_and_the_recipe(write_recipe: Write) -> None:
    change = ("[postprocess]", "[verify]\nagreement = 0.9\nmaximum = 2.5\n[postprocess]")
    gate = read_gate(read_recipe(write_recipe("number", change)))
    assert (gate.agreement, gate.worsening, gate.limit) == (0.9, 0.02, 2.5)
    assert gate.loosened == ("agreement=0.9",)


def test_allow_loosens_one_limit_by_its_name(write_recipe: Write) -> None:
    file = read_recipe(write_recipe("number"))
    allowed = ("agreement=0.9", "maximum_error", "edges")
    gate = read_gate(with_overrides(file, Overrides(allow=allowed)))
    assert (gate.agreement, gate.error, gate.switches) == (0.9, None, ("edges",))
    assert gate.worsening == 0.02
    assert gate.loosened == ("agreement=0.9", "maximum_error", "edges")


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ("agrement", "there is no 'agrement'; known are agreement, maximum_error"),
        ("agreement=1", "agreement was 0.999; allow only loosens"),
        ("agreement=much", "'much' is no number of 0 or more"),
        ("agreement=nan", "'nan' is no number of 0 or more"),
        ("maximum=3", "maximum asked for nothing; allow only loosens"),
        ("edges=0.5", "there is no 'edges'"),
    ],
)
def test_allow_refuses_what_loosens_nothing(
    write_recipe: Write, allowed: str, message: str
) -> None:
    file = read_recipe(write_recipe("number"))
    with pytest.raises(RecipeError, match=message):
        read_gate(with_overrides(file, Overrides(allow=(allowed,))))


def test_a_preset_sets_the_goal_and_flags_win_over_the_recipe(write_recipe: Write) -> None:
    change = ("[postprocess]", '[quantize]\npreset = "edgetpu"\n[postprocess]')
    file = read_recipe(write_recipe("number", change))
    edgetpu = with_overrides(file, Overrides()).recipe.quantize
    assert (edgetpu.recipes, edgetpu.io, edgetpu.relax) == (("int8-static",), "integer", 0)
    small = with_overrides(file, Overrides(preset="small", target="armv7", timeout_s=9.0)).recipe
    assert (small.quantize.objective, small.quantize.io) == ("size", "float")
    assert "int4-blockwise" in small.quantize.recipes
    assert (small.target, small.quantize.timeout_s) == ("armv7", 9.0)
    fast = with_overrides(file, Overrides(preset="small", objective="latency")).recipe.quantize
    assert fast.objective == "latency"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Overrides(preset="fats"), "--preset 'fats' is unknown; did you mean 'fast'?"),
        (Overrides(target="moon"), "--target 'moon' is unknown; known are any, x86_64"),
        (Overrides(objective="price"), "--objective 'price' is unknown; known are latency, size"),
    ],
)
def test_refuses_an_option_of_another_name(
    write_recipe: Write, options: Overrides, message: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        with_overrides(read_recipe(write_recipe("number")), options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("maximum_drop = 0.1", "maximum_drop is not for 'regression'; known are agreement"),
        ("agreement = 1.5", "agreement is 1.5; it must be from 0 to 1"),
        ("maximum_increase = nan", "maximum_increase is nan; it must be from 0 to 1"),
        ("maximum = -1.0", "maximum is -1; it must be from 0 to 1"),
    ],
)
def test_refuses_a_gate_that_means_nothing(write_recipe: Write, line: str, message: str) -> None:
    change = ("[postprocess]", f"[verify]\n{line}\n[postprocess]")
    with pytest.raises(RecipeError, match=message):
        read_gate(read_recipe(write_recipe("number", change)))
