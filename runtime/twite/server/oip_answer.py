"""An inference answer of the Open Inference Protocol v2: its JSON, and binary outputs behind it."""

import numpy as np

from twite.errors import RequestError
from twite.manifest import ClassPostprocessing
from twite.postprocess import confidences
from twite.quantized import dequantize
from twite.repository import Served
from twite.server.documents import dump
from twite.server.exchange import Answer
from twite.server.oip_heads import Heads, answer_key
from twite.server.oip_request import LENGTH_HEADER, Output, Wanted, classes_of
from twite.server.oip_tensors import datatype_of, to_binary, to_json
from twite.tensors import Array, Tensors

BINARY = "application/octet-stream"


def encode(outputs: Tensors, wanted: Wanted, served: Served, heads: Heads) -> Answer:
    """The raw outputs as an answer; raises RequestError where JSON cannot say a number."""
    key = answer_key(outputs, wanted)
    if key and (head := heads.answer(key)):
        return _binary(head, [to_binary(outputs[output.name]) for output in wanted.outputs])
    entries: list[dict[str, object]] = []
    contents: list[bytes] = []
    for output in wanted.outputs:
        array = outputs[output.name]
        if output.classes and (how := classes_of(output.name, served.model)):
            array = dequantize(outputs, served.model.manifest.outputs)[output.name]
            array = _best(array, output.classes, how, served.model.bundle.labels)
        entries.append(_entry(output, array))
        if output.is_binary:
            contents.append(to_binary(array))
            entries[-1]["parameters"] = {"binary_data_size": len(contents[-1])}
        else:
            entries[-1]["data"] = to_json(array, output.name)
    head = _head(entries, wanted, served)
    if key:
        heads.keep_answer(key, head)
    return _binary(head, contents) if contents else Answer(200, head)


def _binary(head: bytes, contents: list[bytes]) -> Answer:
    headers = ((LENGTH_HEADER, str(len(head))),)
    return Answer(200, b"".join([head, *contents]), BINARY, headers)


def _entry(output: Output, array: Array) -> dict[str, object]:
    return {"name": output.name, "shape": [*array.shape], "datatype": datatype_of(array)}


def _head(entries: list[dict[str, object]], wanted: Wanted, served: Served) -> bytes:
    table: dict[str, object] = {
        "model_name": served.name,
        "model_version": served.version,
        "outputs": entries,
    }
    if wanted.id is not None:
        table["id"] = wanted.id
    try:
        return dump(table)
    except ValueError as error:
        message = "an output is NaN or infinity, which JSON cannot say"
        raise RequestError(f"{message}; ask for it as binary_data") from error


def _best(scores: Array, count: int, how: ClassPostprocessing, labels: tuple[str, ...]) -> Array:
    """(N, classes) to the best as texts `confidence:index:label`, Triton's classification."""
    shares = confidences(scores, how)
    order = np.argsort(-shares, axis=1, kind="stable")[:, :count]
    best = [
        [f"{share[i]:.6f}:{i}:{labels[i]}" for i in row]
        for row, share in zip(order, shares, strict=True)
    ]
    return np.array(best, dtype=object)
