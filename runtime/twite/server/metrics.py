"""`/metrics`: what was served, in Prometheus' text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import os
from collections.abc import Iterator
from pathlib import Path

from twite.repository import Repository, Served
from twite.server.exchange import Answer, Endpoint, Request
from twite.telemetry import Histogram, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Sample = tuple[str, Labels, float]


def metrics_endpoints(repository: Repository) -> dict[tuple[str, str], Endpoint]:
    """Over all processes of the server for the models; process_… are of the one that answers."""

    async def metrics(request: Request) -> Answer:
        return Answer(200, render(repository).encode(), CONTENT_TYPE)

    return {("GET", "/metrics"): metrics}


def render(repository: Repository) -> str:
    served = [(each, repository.snapshot(i)) for i, each in enumerate(repository.models)]
    lines: list[str] = []
    for name, kind, summary, family in FAMILIES:
        samples = [sample for each, numbers in served for sample in family(name, each, numbers)]
        lines += _family(name, kind, summary, samples)
    for name, kind, summary, value in _process():
        lines += _family(name, kind, summary, [(name, {}, value)])
    lines += _heat()
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, summary: str, samples: list[Sample]) -> list[str]:
    head = [f"# HELP {name} {summary}", f"# TYPE {name} {kind}"]
    return [
        *head,
        *(f"{sample}{_spell(labels)} {_number(value)}" for sample, labels, value in samples),
    ]


def _spell(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _model(served: Served) -> Labels:
    return {"model_name": served.name, "model_version": served.version}


def _requests(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    for code, count in sorted(numbers.requests.items()):
        yield name, {**_model(served), "code": str(code)}, count


def _inference(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    return _histogram(name, _model(served), numbers.inference)


def _queue(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    return _histogram(name, _model(served), numbers.queue)


def _batch(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    return _histogram(name, _model(served), numbers.batch)


def _inflight(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    yield name, _model(served), numbers.inflight


def _waiting(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    yield name, _model(served), numbers.waiting


def _load(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    yield name, _model(served), served.load_s


def _info(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    manifest, engine = served.model.manifest, served.model.engine
    facts = {
        "sha256": manifest.files[manifest.model].sha256,
        "quantization": manifest.quantization,
        "engine": f"{engine.name} {engine.version}",
        "accelerator": _running(served) or "cpu",
    }
    yield name, {**_model(served), **facts}, 1


def _running(served: Served) -> str | None:
    """The accelerator that answers now."""
    status = served.model.engine.status()
    return status.name if status and status.state == "running" else None


def _accelerator_start(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    status = served.model.engine.status()
    if status and status.since is not None:
        yield name, {**_model(served), "accelerator": status.name or ""}, status.since


def _accelerator_state(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    if status := served.model.engine.status():
        yield name, {**_model(served), "state": status.state}, 1


def _accelerator_refused(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    if status := served.model.engine.status():
        reasons = {refusal.name: refusal.reason for refusal in status.refused}
        for refused, reason in reasons.items():
            yield name, {**_model(served), "accelerator": refused, "reason": reason}, 1


def _fallbacks(name: str, served: Served, numbers: Snapshot) -> Iterator[Sample]:
    if status := served.model.engine.status():
        yield name, _model(served), status.fallbacks


FAMILIES = (
    ("twite_inference_requests_total", "counter", "Requests by their HTTP status.", _requests),
    ("twite_inference_duration_seconds", "histogram", "One call of the engine.", _inference),
    ("twite_queue_duration_seconds", "histogram", "Wait for an interpreter.", _queue),
    ("twite_batch_samples", "histogram", "Samples in one call of the engine.", _batch),
    ("twite_inflight_requests", "gauge", "Requests that are computed or wait.", _inflight),
    ("twite_waiting_requests", "gauge", "Requests that wait for an interpreter.", _waiting),
    ("twite_model_load_duration_seconds", "gauge", "Loading and verifying the model.", _load),
    ("twite_model_info", "gauge", "The model's file and what runs it.", _info),
    ("twite_accelerator_state", "gauge", "1 for its state, in this process.", _accelerator_state),
    (
        "twite_accelerator_start_time_seconds",
        "gauge",
        "When the accelerator of this process began to run.",
        _accelerator_start,
    ),
    (
        "twite_accelerator_refused",
        "gauge",
        "1 for each accelerator that does not run the model here.",
        _accelerator_refused,
    ),
    (
        "twite_accelerator_fallbacks_total",
        "counter",
        "Requests that the CPU answered for a failing accelerator, in this process.",
        _fallbacks,
    ),
)
"""Name, type, help and what gives the samples; the names are those of docs/operations.md."""


def _histogram(name: str, labels: Labels, found: Histogram) -> Iterator[Sample]:
    total = 0
    for bound, count in zip(found.bounds, found.counts, strict=False):
        total += count
        yield f"{name}_bucket", {**labels, "le": f"{bound:g}"}, total
    total += found.counts[-1]
    yield f"{name}_bucket", {**labels, "le": "+Inf"}, total
    yield f"{name}_sum", labels, found.sum
    yield f"{name}_count", labels, total


def _heat() -> list[str]:
    """What the sensors of this machine say now; nothing where it has none."""
    # Imported at the first scrape: a server that nobody scrapes needs no sensors.
    from twite.thermal import read_thermal

    found, lines = read_thermal(), []
    if found.temperature_c:
        name = "twite_temperature_celsius"
        samples = [(name, {"zone": zone}, value) for zone, value in found.temperature_c.items()]
        lines += _family(name, "gauge", "Temperature of a thermal zone.", samples)
    if found.frequency is not None:
        name = "twite_processor_frequency_ratio"
        summary = "Clock that the slowest core may reach, of its most."
        lines += _family(name, "gauge", summary, [(name, {}, found.frequency)])
    if found.throttled_events is not None:
        name = "twite_throttled_events_total"
        summary = "How often heat slowed a core down since the start."
        lines += _family(name, "counter", summary, [(name, {}, found.throttled_events)])
    return lines


def _process() -> Iterator[tuple[str, str, str, float]]:
    times = os.times()
    status = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
        if ":" in line
    )
    seconds = times.user + times.system
    yield "process_cpu_seconds_total", "counter", "CPU time of this process.", seconds
    resident = int(status["VmRSS"].split()[0]) * 1024
    yield "process_resident_memory_bytes", "gauge", "Memory of this process.", resident
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield "process_open_fds", "gauge", "Open files of this process.", files
