"""`POST …/infer` of the Open Inference Protocol v2: a request to tensors, outputs to an answer."""

from contextlib import suppress
from typing import Any

from twite.errors import RequestError
from twite.repository import Served
from twite.server.documents import parse_object
from twite.server.exchange import Answer, Request
from twite.server.intake import decoding_bytes
from twite.server.long_body import LONG
from twite.server.long_numbers import NotPlain, put_back, set_apart
from twite.server.oip_answer import encode
from twite.server.oip_heads import Heads
from twite.server.oip_request import (
    LENGTH_HEADER,
    Asked,
    Output,
    Wanted,
    asked_of,
    json_length,
    parameters_of,
    raw_input,
    tensors_of,
)
from twite.server.signatures import check, in_json
from twite.tensors import Tensors
from twite.work import Work

SIGNATURE = "signature"


async def infer(served: Served, request: Request, heads: Heads) -> Answer:
    """Answer an inference request, JSON or binary; heads are those of the model."""
    if request.headers.get("content-encoding", "identity") != "identity":
        came = request.headers["content-encoding"]
        raise RequestError(f"the body is compressed ({came:.40}); send it as it is")
    main, served = served, _chosen(served, request)
    model, body = served.model, request.view
    wanted: list[Wanted] = []

    def decode() -> Tensors:
        length = json_length(request)
        if length is None:
            outputs = tuple(Output(spec.name, True) for spec in model.manifest.outputs)
            wanted.append(Wanted(None, outputs))
            return raw_input(body, model)
        if length >= LONG:
            with suppress(NotPlain):
                asked = _read_apart(body[:length], served, main)
                tensors = tensors_of(asked, body[length:], model)
                wanted.append(asked.wanted)
                return tensors
        text = request.body if length == len(body) else bytes(body[:length])
        kept = heads.asked(text)
        asked = kept or _read(text, served, main)
        if kept is None:
            heads.keep_asked(text, asked)
        wanted.append(asked.wanted)
        return tensors_of(asked, body[length:], model)

    def answer(outputs: Tensors) -> Answer:
        return encode(outputs, wanted[0], served, heads)

    mark = b"" if request.headers.get(LENGTH_HEADER) == "0" else b'"BYTES"'
    size_bytes = decoding_bytes(request, model, mark)
    return await served.pool.run(Work(decode, answer, size_bytes))


def _read(text: bytes, served: Served, main: Served) -> Asked:
    served.model.bounds.check_json(text)
    return _asked(parse_object(text), text, served, main)


def _read_apart(text: memoryview, served: Served, main: Served) -> Asked:
    """As _read does, but the long lists of numbers are not parsed; raises NotPlain."""
    rest, lists = set_apart(text)
    served.model.bounds.check_json(rest)
    try:
        table = parse_object(rest)
    except RequestError:
        raise NotPlain from None
    put_back(table.get("inputs"), "data", lists)
    return _asked(table, rest, served, main)


def _asked(table: dict[str, Any], text: bytes, served: Served, main: Served) -> Asked:
    check(parameters_of(table).get(SIGNATURE, ""), SIGNATURE, served, main)
    return asked_of(table, text, served.model)


def _chosen(served: Served, request: Request) -> Served:
    """The signature that the request's parameters name; raises NotFound."""
    if not served.signatures or not (length := json_length(request)):
        return served
    return served.signature(in_json(bytes(request.view[:length]), SIGNATURE))
