"""Quantization: a float32 .tflite to a smaller or faster one; the work runs in a child process.

fp16         weights as float16, computed in float32
int8-dynamic weights as int8, activations quantized while the model runs
int8-static  weights and activations as int8 with calibrated ranges; inputs and outputs stay float
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twite.child import run_in_child
from twite_build.calibrate import calibrate
from twite_build.errors import ConversionFailed
from twite_build.recipe import Quantization
from twite_build.scratch import load_tensors, save_model

TIMEOUT_S = 3600.0


def quantize(
    model: Path, how: Quantization, samples: Path, folder: Path, *, fixed_batch: bool
) -> Path:
    """The quantized model, a new file in folder; fp32 is the model itself.

    samples are preprocessed calibration samples. Raises ConversionFailed when the quantizer
    refuses the model and ChildFailed when it crashes.
    """
    if how == "fp32":
        return model
    quantized = folder / f"{how}.tflite"
    request = {
        "model": str(model),
        "quantization": how,
        "samples": str(samples),
        "quantized": str(quantized),
        "fixed_batch": fixed_batch,
    }
    run_in_child("twite_build.quantize:quantize_in_child", request, timeout_s=TIMEOUT_S)
    return quantized


def quantize_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """The child's side of `quantize`."""
    from litert_quantizer.quantizer import Quantizer

    model, recipe = Path(request["model"]), _quantizer_recipe(request["quantization"])
    try:
        quantizer = Quantizer(str(model), recipe)
        ranges = None
        if quantizer.need_calibration:
            samples = load_tensors(Path(request["samples"]))
            ranges = calibrate(model, recipe, samples, fixed_batch=request["fixed_batch"])
        result = quantizer.quantize(ranges, enable_progress_report=False)
    except (ValueError, RuntimeError, NotImplementedError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConversionFailed(f"litert-quantizer refused the model: {line}") from error
    save_model(Path(request["quantized"]), bytes(result.quantized_model))
    return {}


def _quantizer_recipe(how: str) -> Any:
    """litert-quantizer's own rules for one of ours."""
    from litert_quantizer import recipe
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.qtyping import TFLOperationName
    from litert_quantizer.recipe_manager import RecipeManager

    rules = RecipeManager()
    if how == "int8-static":
        rules.load_quantization_recipe(recipe.static_wi8_ai8())
        for end in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
            rules.add_quantization_config(".*", end, algorithm_key=AlgorithmName.NO_QUANTIZE)
    elif how == "int8-dynamic":
        rules.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    elif how == "fp16":
        _add_fp16(rules)
    else:
        raise ConversionFailed(f"quantization '{how}' is unknown")
    return rules.get_quantization_recipe()


def _add_fp16(rules: Any) -> None:
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.algorithms.nonlinear_quantize.float_casting import (
        SUPPORTED_WEIGHT_QUANT_OPS,
    )
    from litert_quantizer.qtyping import QuantGranularity

    for operation in sorted(SUPPORTED_WEIGHT_QUANT_OPS):
        rules.add_weight_only_config(
            ".*",
            operation,
            num_bits=16,
            granularity=QuantGranularity.TENSORWISE,
            algorithm_key=AlgorithmName.FLOAT_CASTING,
        )
