"""The child's side of a probe: is the accelerator right on this bundle, and how fast is it?

python -m twite.accelerators.trial REQUESTS REPLIES
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from twite.accelerators.backends import Delegate, WebGpu, open_backend
from twite.accelerators.judge import compare, extremes, is_constant, tolerances
from twite.accelerators.samples import model_inputs
from twite.accelerators.speech import Speaker, arm, read_plan
from twite.bundle import Bundle, load
from twite.engine import Engine
from twite.errors import AcceleratorError, TwiteError
from twite.tensors import Tensors

CALLS = 24
"""How often the first sample is asked: some are right at first and wrong later."""
TIMED, BUDGET_S = 30, 0.5


def main(requests: int, replies: int) -> None:
    plan, speaker = read_plan(requests), Speaker(replies)
    try:
        result = examine(plan, speaker.stage)
    except AcceleratorError as error:
        result = {"kind": "failed", "reason": str(error)}
    except TwiteError as error:
        result = {"kind": "failed", "reason": f"the bundle cannot be read: {error}"}
    signal.setitimer(signal.ITIMER_REAL, 0)
    speaker.say({"result": result})
    # A library may hang or crash when it is unloaded; its verdict is told.
    os._exit(0)


def examine(plan: dict[str, Any], told: Callable[[str], None]) -> dict[str, Any]:
    """The verdict's fields; AcceleratorError where the accelerator says itself that it cannot."""
    told("reference")
    arm(plan["patience_s"])
    bundle = load(Path(plan["bundle"]))
    samples = sample_inputs(bundle)
    engine = Engine(bundle.model_path, plan["threads"], bundle.signature)
    references = [engine.run(sample) for sample in samples]
    if is_constant(references):
        reason = "the CPU gives every sample the same answer: nothing shows who is right"
        return {"kind": "constant", "reason": reason}
    allowed = tolerances(references, bundle.manifest.golden.tolerance)
    cpu_s = time_calls(engine, samples[0])
    if plan["threads"] > 1:
        # A small model is faster on one core; the server takes what is faster.
        cpu_s = min(cpu_s, time_calls(Engine(bundle.model_path, 1, bundle.signature), samples[0]))
    arm(plan["patience_s"])
    backend = open_backend(plan, told)
    if not backend.claimed:
        return {"kind": "idle", "reason": "the library takes no operator of this model"}
    order = [*range(len(samples)), *[0] * max(1, CALLS - len(samples))]
    for call, i in enumerate(order):
        arm(plan["patience_s"])
        told("invoke")
        if problem := compare(backend.run(samples[i]), references[i], allowed):
            return {"kind": problem.kind, "reason": f"call {call + 1}: {problem.reason}"}
    told("time")
    accelerated_s = time_calls(backend, samples[0])
    if problem := compare(backend.run(samples[0]), references[0], allowed):
        return {"kind": problem.kind, "reason": f"after many calls: {problem.reason}"}
    return {
        "kind": "accepted",
        "reason": "",
        "cpu_s": cpu_s,
        "accelerated_s": accelerated_s,
        "tolerance": allowed,
    }


def sample_inputs(bundle: Bundle) -> list[Tensors]:
    """The golden samples as the model takes them, one row each, and generated extremes."""
    golden, count = model_inputs(bundle), bundle.manifest.golden.count
    rows = [{name: array[i : i + 1] for name, array in golden.items()} for i in range(count)]
    return [*rows, *extremes(golden)]


def time_calls(runs: "Engine | Delegate | WebGpu", sample: Tensors) -> float:
    """The median of some calls in seconds; slow ones get fewer."""
    times = [0.0]
    while len(times) <= TIMED and sum(times) < BUDGET_S:
        begin = perf_counter()
        runs.run(sample)
        times.append(perf_counter() - begin)
    return median(times[1:])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
