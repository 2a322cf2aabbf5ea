"""Presets: a goal in plain words, and what it takes."""

from typing import NamedTuple

from twite_build.recipe import LADDER, Preset, Quantization, Quantize


class Meaning(NamedTuple):
    """What a preset sets, what it does and what it needs, in a sentence each."""

    quantize: Quantize
    does: str
    needs: str


def _recipes(*names: Quantization) -> tuple[Quantization, ...]:
    return names


PRESETS: dict[Preset, Meaning] = {
    "fast": Meaning(
        Quantize(objective="latency", recipes=LADDER),
        "keeps the fastest candidate that agrees with the source",
        "100 or more calibration samples like what will be asked",
    ),
    "small": Meaning(
        Quantize(objective="size", recipes=_recipes("int4-blockwise", *LADDER)),
        "keeps the smallest candidate that agrees with the source, 4-bit weights included",
        "100 or more calibration samples like what will be asked",
    ),
    "exact": Meaning(
        Quantize(recipes=_recipes("fp32"), relax=0),
        "keeps float32, nothing is quantized",
        "no calibration; four times the bytes of int8",
    ),
    "edgetpu": Meaning(
        Quantize(recipes=_recipes("int8-static"), io="integer", relax=0),
        "makes every layer, input and output int8, or fails",
        "100 or more calibration samples; the Edge TPU's compiler, where it is to run there",
    ),
}


def apply_preset(wanted: Quantize) -> Quantize:
    """The preset's objective, recipes and I/O; layers left float and limits stay the recipe's."""
    if wanted.preset is None:
        return wanted
    meaning = PRESETS[wanted.preset].quantize
    return wanted._replace(
        objective=meaning.objective, recipes=meaning.recipes, io=meaning.io, relax=meaning.relax
    )


def spell_preset(preset: Preset) -> str:
    meaning = PRESETS[preset]
    return f"{preset}: {meaning.does}; needs {meaning.needs}"
