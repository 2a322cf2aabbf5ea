"""What the command line says over the recipe."""

from typing import NamedTuple, cast, get_args

from twite.fields import suggestion
from twite_build.errors import RecipeError
from twite_build.recipe import Objective, Preset, Quantize, Recipe, RecipeFile, TargetName


class Overrides(NamedTuple):
    """None leaves what the recipe says; allow is added to the recipe's."""

    preset: str | None = None
    objective: str | None = None
    target: str | None = None
    allow: tuple[str, ...] = ()
    timeout_s: float | None = None


def with_overrides(file: RecipeFile, options: Overrides) -> RecipeFile:
    """The recipe with the options in place of its keys; raises RecipeError for an unknown name."""
    recipe = file.recipe
    quantize = _quantize(recipe.quantize, options)
    target = _known("--target", options.target, get_args(TargetName)) or recipe.target
    verify = recipe.verify._replace(allow=(*recipe.verify.allow, *options.allow))
    changed: Recipe = recipe._replace(
        quantize=quantize, target=cast(TargetName, target), verify=verify
    )
    return file._replace(recipe=changed)


def _quantize(quantize: Quantize, options: Overrides) -> Quantize:
    from twite_build.quantization.presets import apply_preset

    if preset := _known("--preset", options.preset, get_args(Preset)):
        quantize = quantize._replace(preset=cast(Preset, preset))
    quantize = apply_preset(quantize)
    if objective := _known("--objective", options.objective, get_args(Objective)):
        quantize = quantize._replace(objective=cast(Objective, objective))
    if options.timeout_s is not None:
        quantize = quantize._replace(timeout_s=options.timeout_s)
    return quantize


def _known(flag: str, came: str | None, known: tuple[str, ...]) -> str | None:
    if came is not None and came not in known:
        raise RecipeError(f"{flag} '{came}' is unknown{suggestion(came, known)}")
    return came
