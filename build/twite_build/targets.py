"""Targets: where a bundle will run, which engine that is, and which recipes are right there."""

from typing import NamedTuple

from twite_build.errors import RecipeError
from twite_build.recipe import Quantization, Quantize, TargetName

LITERT, TFLITE_RUNTIME = "ai-edge-litert", "tflite-runtime"


class Refusal(NamedTuple):
    how: Quantization
    why: str


# The quantizer raises no operator's version: an old engine loads its hybrid operators and answers
# zeros. Seen with tflite-runtime 2.14.0; a version alone does not tell.
_WRONG_ON_TFLITE_RUNTIME = (
    Refusal("int8-dynamic", "tflite-runtime 2.14 loads dynamic int8 and answers zeros"),
    Refusal("int4-blockwise", "tflite-runtime 2.14 loads 4-bit weights and answers zeros"),
)


class Target(NamedTuple):
    """about is for people; refused are the recipes that are wrong on the target's engine."""

    name: TargetName
    about: str
    engine: str = LITERT
    refused: tuple[Refusal, ...] = ()

    def refusal(self, how: Quantization) -> str | None:
        """Why a recipe is wrong here, or None."""
        return dict(self.refused).get(how)


TARGETS: dict[TargetName, Target] = {
    target.name: target
    for target in (
        Target("any", "every machine that ai-edge-litert runs on"),
        Target("x86_64", "64-bit PCs and servers"),
        Target("arm64", "64-bit ARM boards and servers"),
        Target("lambda-x86_64", "AWS Lambda on x86-64"),
        Target("lambda-arm64", "AWS Lambda on arm64"),
        Target("pi", "Raspberry Pi 3 to 5 with a 64-bit system"),
        Target("jetson", "NVIDIA Jetson, on its CPU cores"),
        Target("armv7", "32-bit ARM boards", TFLITE_RUNTIME, _WRONG_ON_TFLITE_RUNTIME),
    )
}


def allowed_recipes(target: Target, wanted: Quantize) -> tuple[Quantization, ...]:
    """The wanted recipes without those that are wrong on the target's engine.

    Raises RecipeError when nothing is left.
    """
    kept = tuple(how for how in wanted.recipes if target.refusal(how) is None)
    if not kept:
        why = "; ".join(filter(None, map(target.refusal, wanted.recipes)))
        raise RecipeError(f"target '{target.name}' refuses every recipe: {why}")
    return kept


def spell_target(target: Target, wanted: Quantize) -> str:
    refused = [how for how in wanted.recipes if target.refusal(how)]
    without = f", without {', '.join(refused)}" if refused else ""
    return f"{target.name}: {target.about}, {target.engine}{without}"
