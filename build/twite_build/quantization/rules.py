"""Our recipes in litert-quantizer's own rules; runs where litert-quantizer is imported.

int8-static     weights and activations int8 with calibrated ranges; float in and out, or integers
int8-dynamic    weights int8, activations quantized while the model runs
int8-weights    weights int8, turned back to float before they are used
fp16            weights float16, computed in float32
int4-blockwise  weights of fully connected layers int4 in blocks of 32, dynamic
"""

import re
from typing import Any, Literal

from twite_build.errors import ConversionFailed, RecipeError


def rules(
    how: str,
    io: Literal["float", "integer"] = "float",
    float_layers: tuple[str, ...] = (),
    float_operators: tuple[str, ...] = (),
) -> Any:
    """The rules of one recipe; float_layers are layers' exact names, for static int8 alone."""
    from litert_quantizer import recipe
    from litert_quantizer.qtyping import TFLOperationName
    from litert_quantizer.recipe_manager import RecipeManager

    made = RecipeManager()
    if how == "int8-static":
        made.load_quantization_recipe(recipe.static_wi8_ai8())
        left = [*(("INPUT", "OUTPUT") if io == "float" else ()), *float_operators]
        for name in left:
            _leave(made, ".*", _operation(name))
        for layer in float_layers:
            _leave(made, f"(^|;){re.escape(layer)};", TFLOperationName.ALL_SUPPORTED)
    elif how == "int8-dynamic":
        made.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    elif how == "int8-weights":
        made.load_quantization_recipe(recipe.weight_only_wi8_afp32())
    elif how == "int4-blockwise":
        operation = TFLOperationName.FULLY_CONNECTED
        made.load_quantization_recipe(recipe.dynamic_wi4b32_afp32(operation_name=operation))
    elif how == "fp16":
        _add_fp16(made)
    else:
        raise ConversionFailed(f"quantization '{how}' is unknown")
    return made.get_quantization_recipe()


def _leave(made: Any, scope: str, operation: Any) -> None:
    from litert_quantizer.algorithm_manager import AlgorithmName

    made.add_quantization_config(scope, operation, algorithm_key=AlgorithmName.NO_QUANTIZE)


def _operation(name: str) -> Any:
    from litert_quantizer.qtyping import TFLOperationName

    try:
        return TFLOperationName(name)
    except ValueError as error:
        known = ", ".join(sorted(operation.value for operation in TFLOperationName))
        raise RecipeError(f"[quantize] float_operators has '{name}'; known are {known}") from error


def _add_fp16(made: Any) -> None:
    from litert_quantizer.algorithm_manager import AlgorithmName
    from litert_quantizer.algorithms.nonlinear_quantize.float_casting import (
        SUPPORTED_WEIGHT_QUANT_OPS,
    )
    from litert_quantizer.qtyping import QuantGranularity

    for operation in sorted(SUPPORTED_WEIGHT_QUANT_OPS):
        made.add_weight_only_config(
            ".*",
            operation,
            num_bits=16,
            granularity=QuantGranularity.TENSORWISE,
            algorithm_key=AlgorithmName.FLOAT_CASTING,
        )
