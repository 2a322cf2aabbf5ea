"""Which kind of event came, and who answers it."""

from json import dumps
from math import isfinite
from typing import Any

import numpy as np

from inference import Inference
from telemetry import Context, Telemetry
from twite.arrays import name_json
from twite.errors import BodyTooLarge, RequestError, TwiteError
from twite.settings import Settings
from twite.tensors import Tensors

EVENT_BYTES = ANSWER_BYTES = 6 * 1024 * 1024
"""What Lambda carries to a function and back."""

REQUEST_KEYS = frozenset(("features", "inputs", "text"))

NUMBER_BYTES = 26
"""The longest number in JSON, with its comma."""


class Function:
    """Answers events, in several threads at once if need be.

    What a kind of event needs beyond the model is imported when the first of that kind comes.
    """

    def __init__(self, inference: Inference, telemetry: Telemetry, settings: Settings) -> None:
        self.inference = inference
        self.telemetry = telemetry
        self.settings = settings
        self._gateway: Any = None

    def handle(self, event: object, context: Context) -> object:
        """Raises RequestError or below, which the caller sees as `errorType` and `errorMessage`."""
        try:
            if type(event) is dict:
                if "requestContext" in event:
                    return self.gateway().answer(event, context)
                if "Records" in event:
                    return self._records(event["Records"], context)
                if type(event.get("inputs")) is list:
                    return self.gateway().answer_oip(event, context)
            answer = self.predict(event)
        except TwiteError as error:
            self._refused(context, error.status, error)
            # Its message says what is wrong; where we found out is of no use to the caller.
            raise error.with_traceback(None) from None
        except Exception as error:
            self._refused(context, 500, error)
            raise
        self.telemetry.request("direct", context, 200, self.inference.took_s())
        return answer

    def predict(self, value: object) -> dict[str, object]:
        """A request that is JSON already to its answer, `{"prediction": …}`."""
        inference, model = self.inference, self.inference.model
        if type(value) is not dict or value.keys().isdisjoint(REQUEST_KEYS):
            raise RequestError(
                f'the event is {_name(value)}; send {{"features": …}}, {{"inputs": …}}, an Open '
                "Inference Protocol request, or an event of an HTTP API, function URL, REST API, "
                "load balancer, SQS queue or S3 bucket"
            )
        if "signature" in value:
            model = inference.of_signature(value["signature"])
            value = {key: each for key, each in value.items() if key != "signature"}
        decoded = model.decode_value(value)
        outputs = inference.run(decoded.tensors, model)
        _check_finite(outputs)
        answer = {"prediction": model.prediction(outputs, decoded)}
        _check_size(answer, outputs)
        return answer

    def _refused(self, context: Context, code: int, error: Exception) -> None:
        took_s = self.inference.took_s()
        self.telemetry.request("refused", context, code, took_s, str(error))

    def gateway(self) -> Any:
        if self._gateway is None:
            from gateway import Gateway

            self._gateway = Gateway(self.inference, self.telemetry, self.settings)
        return self._gateway

    def _records(self, records: object, context: Context) -> object:
        from records import answer_records

        return answer_records(records, self, context)


def _name(event: object) -> str:
    if isinstance(event, dict):
        keys = ", ".join(str(key)[:40] for key in list(event)[:5])
        return f"an object with the keys {keys}" if keys else "an empty object"
    return name_json(event)


def _check_finite(outputs: Tensors) -> None:
    for array in outputs.values():
        if array.dtype.kind != "f" or isfinite(np.vdot(array, array)):
            continue
        # The sum of squares may be infinite where no number is.
        if not np.isfinite(array).all():
            raise TwiteError(
                "the model answered NaN or infinity for this input; JSON has no such number"
            )


def _check_size(answer: dict[str, object], outputs: Tensors) -> None:
    """Raise BodyTooLarge for an answer that Lambda would refuse, ending the process for it."""
    if sum(array.size for array in outputs.values()) * NUMBER_BYTES < ANSWER_BYTES:
        return
    size = len(dumps(answer))
    if size > ANSWER_BYTES:
        raise BodyTooLarge(answer_too_large(size, ANSWER_BYTES))


def answer_too_large(size: int, most: int) -> str:
    return (
        f"the answer has {size} bytes; Lambda carries up to {most}: send fewer samples at a time, "
        "or ask for binary tensors"
    )
