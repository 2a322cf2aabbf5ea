"""JAX functions to float32 .tflite, by jax2tf.

A function without parameters makes the model and returns it; one with parameters is the model,
and its parameters are the inputs. JAX knows no shapes beforehand, the samples do. The batch is 1:
a free one leaves the arithmetic of its shapes in the graph.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from twite.errors import TwiteError
from twite.tensors import Array, Tensors, TensorSpec
from twite_build.converters import own_code, tf_function
from twite_build.converters.request import (
    Converted,
    Request,
    answer_all,
    check_samples,
    lacks,
    name_inputs,
    name_outputs,
    read,
    write,
)
from twite_build.errors import ConversionFailed, SourceError
from twite_build.scratch import first_line


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and the source's answers; converters/request.py says what is answered."""
    os.environ.update(tf_function.quiet(), JAX_PLATFORMS="cpu")
    try:
        import jax
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise lacks("a JAX function", "jax", error) from error
    asked = read(request)
    code = own_code.load(asked.path, asked.source.function or "")
    own = code.parameters()
    function = code.function if own else code.call()
    if not callable(function):
        raise SourceError(
            f"{asked.path}:{code.name} returns {type(function).__name__}; it must return a function"
        )
    inputs = _inputs(asked, own or own_code.positional(function))
    check_samples(asked.samples, inputs)
    named = _named(function, asked.source.outputs)
    ordered = {spec.name: asked.samples[spec.name] for spec in inputs}
    answers = answer_all(_runner(jax.jit(named)), ordered, step=1)
    content = _to_tflite(named, inputs)
    tools = ("jax", tf_function.distribution())
    return write(asked, Converted(content, inputs, answers, tools, files=code.files()))


def _inputs(asked: Request, own: Sequence[str]) -> list[TensorSpec]:
    names = name_inputs(asked.source.inputs, own, asked.samples)
    found = {name: asked.samples.get(name, np.zeros((1,), np.float32)) for name in names}
    return [
        TensorSpec(name, array.dtype.name, (1, *array.shape[1:]))  # type: ignore[arg-type]
        for name, array in found.items()
    ]


def _named(function: Callable[..., Any], given: Sequence[str]) -> Callable[..., dict[str, Any]]:
    """The function with its answers by name."""

    def named(*tensors: Any) -> dict[str, Any]:
        answer = function(*tensors)
        if isinstance(answer, dict):
            return answer
        answers = list(answer) if isinstance(answer, tuple | list) else [answer]
        return dict(zip(name_outputs(given, len(answers)), answers, strict=True))

    return named


def _runner(named: Callable[..., dict[str, Any]]) -> Callable[[Tensors], dict[str, Array]]:
    def run(rows: Tensors) -> dict[str, Array]:
        try:
            answers = named(*rows.values())
        except TwiteError:
            raise
        except Exception as error:
            shapes = ", ".join(f"'{name}' {array.shape}" for name, array in rows.items())
            raise SourceError(
                f"the function fails on one sample, {shapes}: {first_line(error)}"
            ) from error
        return {name: np.asarray(answer) for name, answer in answers.items()}

    return run


def _to_tflite(named: Callable[..., dict[str, Any]], inputs: Sequence[TensorSpec]) -> bytes:
    from jax.experimental import jax2tf

    try:
        serve = jax2tf.convert(named, with_gradient=False)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConversionFailed(f"jax2tf refused the function: {first_line(error)}") from error
    return tf_function.to_tflite(serve, (), inputs)
