"""One JSON line a request: log entry and CloudWatch metrics (EMF) in one.

The metrics have the names of the server's `/metrics`; a request id is a field, never a dimension.
"""

import json
import os
from json.encoder import encode_basestring_ascii as quote
from time import time
from typing import Protocol

from twite.model import Model

NAMESPACE = "Twite"
REQUESTS = "twite_inference_requests_total"
DURATION = "twite_inference_duration_seconds"
LOAD = "twite_model_load_duration_seconds"
DIMENSIONS = ("model_name", "model_version")


class Context(Protocol):
    """What is read of the context that awslambdaric makes."""

    aws_request_id: str


def write(level: str, message: str, **fields: object) -> None:
    """A line of the log that belongs to no request."""
    _write(json.dumps({"level": level, "message": message, **fields}) + "\n")


class Telemetry:
    """is_cold holds until the first request was written."""

    def __init__(self, model: Model) -> None:
        manifest, engine = model.manifest, model.engine
        self.is_cold = True
        self._names = {"model_name": manifest.name, "model_version": manifest.version}
        self._info: dict[str, object] = {
            "sha256": manifest.files[manifest.model].sha256,
            "accelerator": "xnnpack" if engine.xnnpack else "cpu",
            "engine": f"{engine.name} {engine.version}",
            "threads": engine.threads,
        }
        names = json.dumps(self._names)[1:-1]
        self._counted = f"{names},{_directive((*DIMENSIONS, 'code'), {REQUESTS: 'Count'})}"
        timed = _directive((*DIMENSIONS, "code"), {REQUESTS: "Count", DURATION: "Seconds"})
        self._timed = f"{names},{timed}"

    def loaded(self, steps_s: dict[str, float]) -> None:
        """The line of INIT: how long loading took, by steps, and what was loaded."""
        load_s = steps_s["load"] + steps_s["golden"]
        metrics = json.loads("{" + _directive(DIMENSIONS, {LOAD: "Seconds"}) + _stamp() + "}}")
        steps = {f"{name}_ms": round(seconds * 1000, 2) for name, seconds in steps_s.items()}
        fields = {**self._names, LOAD: round(load_s, 6), **self._info, "init": steps, **metrics}
        write("INFO", "golden samples agree, ready", **fields)

    def request(
        self, message: str, context: Context, code: int, took_s: float | None, error: str = ""
    ) -> None:
        """message names the kind of event; took_s is None where no inference was run."""
        cold, self.is_cold = self.is_cold, False
        level = "INFO" if code < 400 else "WARNING" if code < 500 else "ERROR"
        metrics = self._counted if took_s is None else f'"{DURATION}":{took_s:.7f},{self._timed}'
        more = f',"error":{quote(error)}' if error else ""
        trace = os.environ.get("_X_AMZN_TRACE_ID")
        if trace:
            more = f'{more},"trace_id":{quote(trace)}'
        _write(
            f'{{"level":"{level}","message":{quote(message)},'
            f'"request_id":{quote(context.aws_request_id)},'
            f'"cold_start":{"true" if cold else "false"},"code":"{code}"{more},'
            f'"{REQUESTS}":1,{metrics}{_stamp()}}}}}\n'
        )

    def note(self, message: str, context: Context, code: int) -> None:
        """A request that is no inference, such as a probe: logged, not counted."""
        self.is_cold = False
        write("INFO", message, request_id=context.aws_request_id, code=str(code))


def _directive(dimensions: tuple[str, ...], units: dict[str, str]) -> str:
    """The EMF object up to its time, which is the last thing that a line is given."""
    metrics = [{"Name": name, "Unit": unit} for name, unit in units.items()]
    described = {"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics}
    return f'"_aws":{{"CloudWatchMetrics":[{json.dumps(described)}],'


def _stamp() -> str:
    return f'"Timestamp":{int(time() * 1000)}'


def _write(line: str) -> None:
    # One system call a line: lines of several threads do not mix, and no buffer outlives a freeze.
    os.write(1, line.encode())
