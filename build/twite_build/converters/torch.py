"""PyTorch modules to float32 .tflite: `file.py:function` and exported programs, `.pt2`.

The converter's own way to any batch is mostly broken, so the batch is 1; the engine steps over
rows. Channels-first pictures get a channels-last input: the permutation in front folds away.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twite.errors import UnsupportedTarget
from twite.tensors import Array, Tensors, TensorSpec
from twite_build.converters import own_code
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

SEED = 1


def convert(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the model and the source's answers; converters/request.py says what is answered."""
    os.environ.update({"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"})
    try:
        import litert_torch  # noqa: F401
        import torch
    except ImportError as error:
        raise lacks("a PyTorch model", "torch", error) from error
    asked = read(request)
    torch.manual_seed(SEED)
    module, own, files = _module(asked)
    inputs = _inputs(asked, own)
    check_samples(asked.samples, inputs)
    wrapped = _wrap(module, asked)
    answers = answer_all(_runner(wrapped), _ordered(asked.samples, inputs), step=1)
    content = _to_tflite(wrapped, inputs, asked.samples)
    tools = ("torch", "litert-torch", "litert-converter")
    return write(asked, Converted(content, inputs, answers, tools, files=files))


def _module(asked: Request) -> tuple[Any, list[str], dict[str, str]]:
    """The module in evaluation mode, the names of what it takes, and the files it came from."""
    import torch

    if asked.source.function is None:
        program = _exported(asked.path)
        return program.module(), list(program.graph_signature.user_inputs), {}
    code = own_code.load(asked.path, asked.source.function)
    module = code.call()
    where = f"{asked.path}:{asked.source.function}"
    if isinstance(module, torch.jit.ScriptModule):
        raise SourceError(
            f"{where} returns TorchScript, which no converter reads; return the "
            "nn.Module that it was made from"
        )
    if not isinstance(module, torch.nn.Module):
        raise SourceError(f"{where} returns {type(module).__name__}; it must return an nn.Module")
    return module.eval(), own_code.positional(module.forward), code.files()


def _exported(path: Path) -> Any:
    """Raise SourceError unless path is an exported program with a batch of 1, or a free one."""
    import torch

    try:
        program = torch.export.load(path)
    except Exception as error:
        raise SourceError(
            f"{path} is no exported program ({first_line(error)}); write one with "
            "torch.export.save(torch.export.export(model, (example,)), …)"
        ) from error
    wanted = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        batch = node.meta["val"].shape[0] if node.name in wanted else 1
        if isinstance(batch, int) and batch != 1:
            raise SourceError(
                f"{path} input '{node.name}' takes exactly {batch} samples; export the model with "
                "an example of one"
            )
    return program


def _inputs(asked: Request, own: Sequence[str]) -> list[TensorSpec]:
    """The inputs in the model's order; a PyTorch module tells no shapes, the samples do."""
    names = name_inputs(asked.source.inputs, own, asked.samples)
    specs = []
    for name in names:
        array = asked.samples.get(name)
        if array is None:
            check_samples(asked.samples, [TensorSpec(name, "float32", (1,)) for name in names])
            raise ConversionFailed(f"no sample for input '{name}'")
        specs.append(TensorSpec(name, array.dtype.name, (1, *array.shape[1:])))  # type: ignore[arg-type]
    return specs


def _ordered(samples: Tensors, inputs: Sequence[TensorSpec]) -> Tensors:
    return {spec.name: samples[spec.name] for spec in inputs}


def _wrap(module: Any, asked: Request) -> Any:
    """The module with named inputs and outputs, channels last where the recipe has pictures."""
    import torch

    is_nhwc, given = asked.source.input_layout == "nhwc", asked.source.outputs

    class Named(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, **tensors: Any) -> dict[str, Any]:
            arguments = [
                t.permute(0, 3, 1, 2) if is_nhwc and t.ndim == 4 else t for t in tensors.values()
            ]
            answer = self.module(*arguments)
            if isinstance(answer, dict):
                return dict(answer)
            answers = list(answer) if isinstance(answer, tuple | list) else [answer]
            return dict(zip(name_outputs(given, len(answers)), answers, strict=True))

    return Named()


def _runner(wrapped: Any) -> Any:
    import torch

    def run(rows: Tensors) -> dict[str, Array]:
        tensors = {name: torch.from_numpy(array) for name, array in rows.items()}
        try:
            with torch.no_grad():
                answers = wrapped(**tensors)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            shapes = ", ".join(f"'{n}' {tuple(t.shape)}" for n, t in tensors.items())
            raise SourceError(
                f"the model fails on one sample, {shapes}: {first_line(error)}; [source] "
                "input_layout and [preprocess] say what it gets"
            ) from error
        return {name: _small(answer.numpy()) for name, answer in answers.items()}

    return run


def _small(array: Array) -> Array:
    """The converter makes 32-bit outputs of 64-bit ones."""
    smaller = {"int64": np.int32, "float64": np.float32}.get(array.dtype.name)
    return array if smaller is None else array.astype(smaller)


def _to_tflite(wrapped: Any, inputs: Sequence[TensorSpec], samples: Tensors) -> bytes:
    import litert_torch
    import torch

    example = {spec.name: torch.from_numpy(samples[spec.name][:1].copy()) for spec in inputs}
    try:
        graph = torch.export.export(wrapped, (), example, strict=False).module()
        _keep_dimensions(graph)
        edge: bytes = litert_torch.convert(graph, sample_kwargs=example).model_content()
    except NotImplementedError as error:
        raise UnsupportedTarget(f"the model cannot be converted: {first_line(error)}") from error
    except Exception as error:
        raise ConversionFailed(f"litert-torch refused the model: {first_line(error)}") from error
    return edge


def _keep_dimensions(graph: Any) -> None:
    """Split the mean over a picture's height and width into one that keeps both, and a reshape.

    The converter would transpose the picture back to channels first for it.
    """
    import torch

    mean = torch.ops.aten.mean.dim
    for node in list(graph.graph.nodes):
        if node.op != "call_function" or node.target is not mean or len(node.args) != 2:
            continue
        rank = node.args[0].meta["val"].ndim
        if rank == 4 and {axis % 4 for axis in node.args[1]} == {2, 3}:
            with graph.graph.inserting_after(node):
                flat = graph.graph.call_function(torch.ops.aten.flatten.using_ints, (node, 1))
            for user in [user for user in node.users if user is not flat]:
                user.replace_input_with(node, flat)
            node.args = (*node.args, True)
    graph.recompile()
