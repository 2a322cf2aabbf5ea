"""TensorFlow SavedModels to float32 .tflite, by one of their signatures.

Old ones, which TensorFlow 1 wrote or which hold an optimizer's state, go through the v1 converter.
"""

import os
from collections.abc import Mapping
from typing import Any

from twite.errors import TwiteError, UnsupportedTarget
from twite.fields import suggestion
from twite.tensors import Array, Tensors, TensorSpec
from twite_build.converters import tf_function
from twite_build.converters.request import (
    Converted,
    Further,
    Request,
    answer_all,
    check_samples,
    further,
    lacks,
    read,
    write,
)
from twite_build.errors import RecipeError, SourceError
from twite_build.model_file import with_first
from twite_build.scratch import first_line


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and the source's answers; converters/request.py says what is answered."""
    os.environ.update(tf_function.quiet())
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise lacks("a SavedModel", "tensorflow", error) from error
    asked = read(request)
    loaded = _load(asked)
    names = _signatures(asked, loaded)
    signature = loaded.signatures[names[0]]
    inputs = _specs(signature)
    check_samples(asked.samples, inputs)
    answers = answer_all(_runner(signature), asked.samples, _step(inputs))
    others = [_further(name, loaded.signatures[name], asked) for name in names[1:]]
    content, note = _convert(str(asked.path), names)
    tools, main = (tf_function.distribution(),), names[0] if others else None
    content = with_first(content, main) if main else content
    return write(
        asked,
        Converted(content, inputs, answers, tools, notes=note, signature=main, further=others),
    )


def _further(name: str, signature: Any, asked: Request) -> Further:
    inputs = _specs(signature)
    return further(name, inputs, asked.samples, _runner(signature), _step(inputs))


def _load(asked: Request) -> Any:
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(asked.path))
    except Exception as error:
        raise SourceError(f"{asked.path} cannot be loaded: {first_line(error)}") from error


def _signatures(asked: Request, loaded: Any) -> list[str]:
    """The main signature's name, then the others that the recipe wants."""
    known, others = list(loaded.signatures), asked.source.signatures
    wanted = asked.source.signature or next(iter(others), None)
    if not known:
        raise SourceError(
            f"{asked.path} has no signature; save the model with signatures={{…}} or its "
            "model.export(folder)"
        )
    if wanted is None:
        wanted = known[0] if len(known) == 1 else tf_function.SIGNATURE
    for name in (wanted, *others):
        if name not in known:
            raise RecipeError(f"{asked.path} has no signature '{name}'{suggestion(name, known)}")
    return list(dict.fromkeys((wanted, *others)))


def _specs(signature: Any) -> list[TensorSpec]:
    """The signature's inputs in the order of their names."""
    specs = []
    for name, spec in sorted(signature.structured_input_signature[1].items()):
        if spec.dtype.name == "string":
            raise UnsupportedTarget(f"input '{name}' is text; a .tflite takes numbers")
        if spec.shape.rank is None:
            raise SourceError(
                f"input '{name}' has no fixed number of dimensions; save one that has"
            )
        shape = tuple(-1 if size is None else int(size) for size in spec.shape)
        specs.append(TensorSpec(name, spec.dtype.name, shape))
    return specs


def _step(inputs: list[TensorSpec]) -> int:
    return 1 if any(spec.shape[:1] == (1,) for spec in inputs) else 64


def _runner(signature: Any) -> Any:
    import tensorflow as tf

    def run(rows: Tensors) -> dict[str, Array]:
        answers = signature(**{name: tf.constant(array) for name, array in rows.items()})
        return {name: answers[name].numpy() for name in sorted(answers)}

    return run


def _convert(folder: str, names: list[str]) -> tuple[bytes, tuple[str, ...]]:
    """By the converter, or by the v1 one, which takes one signature; the first one's refusal where
    both refuse."""
    try:
        return tf_function.convert_folder(folder, names), ()
    except TwiteError as error:
        if len(names) > 1:
            raise
        refused = error
    try:
        content = tf_function.convert_folder(folder, names, old=True)
    except TwiteError as error:
        raise refused from error
    return content, ("converted by the v1 converter",)
