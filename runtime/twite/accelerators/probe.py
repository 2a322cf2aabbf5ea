"""The probe: one accelerator on one bundle in a child process, which may crash or hang."""

import re
from typing import Any, Literal, NamedTuple

from twite.accelerators.candidates import Candidate
from twite.accelerators.child import Child, Late, spell_end
from twite.bundle import Bundle

Kind = Literal[
    "accepted",
    "slow",
    "wrong",
    "nonfinite",
    "constant",
    "idle",
    "failed",
    "crashed",
    "hung",
    "unsuitable",
]
START_S = 120.0
"""For our own part of the child: to import numpy and run the model on the CPU."""
HOP_S, HOP_S_PER_BYTE = 15e-6, 1.7e-10
"""What the worker adds to a call: two context switches, and tensors copied in and out."""
SPEEDUP = 1.2


NOTHING: dict[str, float] = {}


class Verdict(NamedTuple):
    """accepted says right, with the times of one call; another kind says in reason what was seen.

    tolerance is what a later answer may differ from the CPU's, by output.
    """

    kind: Kind
    reason: str = ""
    cpu_s: float = 0.0
    accelerated_s: float = 0.0
    tolerance: dict[str, float] = NOTHING


class Prober:
    """Runs one probe at a time; close ends the one that runs."""

    def __init__(self, patience_s: float, threads: int) -> None:
        self._patience_s, self._threads = patience_s, threads
        self._child: Child | None = None
        self._is_closed = False

    def probe(self, bundle: Bundle, candidate: Candidate) -> Verdict:
        """Judge one candidate; every way in which it can fail is a verdict."""
        plan = {
            **plan_of(bundle, candidate),
            "bundle": str(bundle.path),
            "threads": self._threads,
            "patience_s": START_S + self._patience_s,
        }
        try:
            child = self._child = Child("twite.accelerators.trial", plan)
        except OSError as error:
            return Verdict("failed", f"no process could be started for it: {error.strerror}")
        try:
            return self._listen(child, candidate)
        finally:
            self._child = None
            child.close()

    def close(self) -> None:
        self._is_closed = True
        if child := self._child:
            child.kill()

    def _listen(self, child: Child, candidate: Candidate) -> Verdict:
        stage = "reference"
        while not self._is_closed:
            own = stage in ("reference", "time")
            try:
                message = child.message(START_S + self._patience_s if own else self._patience_s)
            except Late:
                return Verdict("hung", f"hung in {stage}: no answer after {self._patience_s:g} s")
            if message is None:
                return _end(child, stage)
            if "result" in message:
                child.end()
                return _judged(message["result"], candidate, child.tail())
            stage = str(message.get("stage"))
        return Verdict("failed", "the server is stopping")


def plan_of(bundle: Bundle, candidate: Candidate) -> dict[str, Any]:
    """What open_backend needs."""
    return {
        "kind": candidate.kind,
        "library": candidate.library,
        "options": candidate.options,
        "model": candidate.model,
        "signature": bundle.signature,
        "operator": candidate.operator,
        "inputs": [spec.name for spec in bundle.manifest.inputs],
        "outputs": [spec.name for spec in bundle.manifest.outputs],
    }


def judge_speed(verdict: Verdict, size_bytes: int) -> Verdict:
    """The verdict, `slow` where the worker would not win; size_bytes are the tensors of a call."""
    through_worker_s = verdict.accelerated_s + HOP_S + HOP_S_PER_BYTE * size_bytes
    if verdict.kind != "accepted" or verdict.cpu_s >= SPEEDUP * through_worker_s:
        return verdict
    return verdict._replace(
        kind="slow",
        reason=f"{through_worker_s * 1000:.3g} ms a call; the CPU takes "
        f"{verdict.cpu_s * 1000:.3g} ms, and it must be {SPEEDUP:g} times as fast",
    )


def _end(child: Child, stage: str) -> Verdict:
    status = child.end()
    words = last_words(child.tail())
    return Verdict("crashed", f"{spell_end(status)} in {stage}" + (f": {words}" if words else ""))


def _judged(result: dict[str, Any], candidate: Candidate, tail: list[str]) -> Verdict:
    verdict = Verdict(**result)
    if candidate.kind != "webgpu":
        return verdict
    if verdict.kind == "failed":
        return verdict._replace(reason=gpu_failure(tail) or verdict.reason)
    adapter = software_adapter(tail)
    if adapter and not candidate.is_named:
        reason = f"the GPU is software ({adapter}), slower than the CPU; name webgpu to use it"
        return Verdict("unsuitable", reason)
    return verdict


def software_adapter(tail: list[str]) -> str | None:
    """The name of the adapter that Dawn chose, where it is a program and no GPU."""
    for line in tail:
        found = re.search(r"Selected adapter: (.*), arch=.*adapterType=CPU", line)
        if found:
            return found[1]
    return None


def gpu_failure(tail: list[str]) -> str | None:
    """What Dawn wrote of why there is no GPU for it; LiteRT's error has no reason."""
    for pattern in (r"Warning: (Couldn't load Vulkan.*)", r"Warning: (Vulkan .* required)"):
        for line in tail:
            if found := re.search(pattern, line):
                return f"the GPU's driver is not fit for WebGPU: {found[1].rstrip('.')}"
    if any("static-sized tensors" in line for line in tail):
        return "a tensor's size is computed while the model runs; build it with a fixed batch"
    if any("No adapters found" in line for line in tail):
        return "no GPU: Vulkan found no driver or no device"
    return None


def last_words(tail: list[str]) -> str:
    """The last line that is no chatter of the engine's."""
    words = [line for line in tail if line.strip() and not line.startswith(("INFO:", "W0000"))]
    return words[-1].strip()[:200] if words else ""
