"""One model's accelerator: chosen after the start, watched, replaced by the CPU when it fails.

    probing → running ⇄ restarting → quarantined
            → refused

A thread of its own probes, starts the worker and starts it again. Requests only ask whether there
is a worker now; where there is none, or it fails, the CPU answers the same request.
"""

import logging
import threading
from pathlib import Path
from time import sleep, time
from typing import NamedTuple

import numpy as np

from twite.accelerator_status import AcceleratorStatus, Refusal, State
from twite.accelerators.cache import Cache
from twite.accelerators.candidates import Candidate, candidates
from twite.accelerators.catalogue import Choice
from twite.accelerators.discovery import HERE, Place
from twite.accelerators.engine import AcceleratedEngine
from twite.accelerators.judge import compare, is_finite
from twite.accelerators.layout import Layout, arrange
from twite.accelerators.probe import Prober, Verdict, judge_speed
from twite.accelerators.samples import model_inputs, model_outputs
from twite.accelerators.worker import Busy, Worker
from twite.bundle import Bundle
from twite.engine import Engine
from twite.errors import AcceleratorError
from twite.tensors import Tensors

log = logging.getLogger("twite")


class Patience(NamedTuple):
    """probe_s for a step of the probe, call_s for an answer; restarts in a row are quarantine.

    The first checked answers of a worker and every check_every-th are compared with the CPU's.
    backoff_s doubles with every restart; forgive calls without a failure, and they count anew.
    """

    probe_s: float = 60.0
    call_s: float = 5.0
    check_every: int = 64
    checked: int = 4
    restarts: int = 3
    backoff_s: float = 0.5
    forgive: int = 1000


PATIENCE = Patience()
SETTLE_S = 0.02


class Chosen(NamedTuple):
    candidate: Candidate
    verdict: Verdict


class Acceleration:
    """What the interpreters of one model share; begin starts it, close ends all it started."""

    def __init__(
        self,
        bundle: Bundle,
        choice: Choice,
        *,
        place: Place = HERE,
        patience: Patience = PATIENCE,
        cache_folder: Path | None = None,
        threads: int = 1,
    ) -> None:
        self._bundle, self._choice, self._place = bundle, choice, place
        self._patience, self._threads = patience, threads
        self._cache = Cache(cache_folder, threads)
        self._prober = Prober(patience.probe_s, threads)
        self._state: State = "probing"
        self._refused: tuple[Refusal, ...] = ()
        self._chosen: Chosen | None = None
        self._since: float | None = None
        self._worker: Worker | None = None
        self._starting: Worker | None = None
        self._failures = self._fallbacks = self._calls = 0
        self._reason = ""
        self._is_wrong = False
        self._is_batched = all(spec.is_batched for spec in bundle.manifest.inputs)
        self._has_rows = all(spec.is_batched for spec in bundle.manifest.outputs)
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def engine(self, cpu: Engine) -> AcceleratedEngine:
        """An engine that runs on the accelerator while there is one, else on this one."""
        return AcceleratedEngine(cpu, self)

    def begin(self) -> None:
        """Start to probe, in a thread; the CPU serves meanwhile."""
        self._thread = threading.Thread(
            target=self._supervise, name="twite-accelerator", daemon=True
        )
        self._thread.start()

    def settle(self) -> None:
        """Wait until an accelerator runs, or it is clear that none will."""
        while self._state == "probing":
            sleep(SETTLE_S)

    def close(self) -> None:
        """End every process that was started here."""
        self._state = "stopped"
        self._stop.set()
        self._changed.set()
        self._prober.close()
        if starting := self._starting:
            starting.kill()
        if self._thread:
            self._thread.join(10.0)

    @property
    def may_block(self) -> bool:
        """Whether a run may wait for the accelerator's process."""
        return self._chosen is not None and self._state != "quarantined"

    @property
    def is_running(self) -> bool:
        return self._worker is not None

    @property
    def worker_pid(self) -> int | None:
        worker = self._worker
        return worker.pid if worker else None

    def status(self) -> AcceleratorStatus:
        name = self._chosen.candidate.label if self._chosen else None
        state, since = self._state, self._since
        # The worker is taken away at once, the supervisor comes to it a moment later.
        if state == "running" and self._worker is None:
            state, since = "restarting", None
        return AcceleratorStatus(name, since, state, self._refused, self._fallbacks)

    def run(self, tensors: Tensors, cpu: Engine) -> Tensors:
        """Answer on the accelerator, or on the CPU; never less than the CPU alone would."""
        worker, chosen = self._worker, self._chosen
        if chosen is None or not self._fits(tensors):
            return cpu.run(tensors)
        if worker is None:
            # Until the first worker has started nobody has promised anything.
            self._fallbacks += self._state != "probing"
            return cpu.run(tensors)
        try:
            outputs = self._call(worker, tensors, chosen.verdict.cpu_s)
        except Busy:
            return cpu.run(tensors)
        except AcceleratorError as error:
            self._fallbacks += 1
            self._fail(worker, str(error))
            return cpu.run(tensors)
        self._calls += 1
        if self._is_due() or not is_finite(outputs):
            return self._check(worker, chosen, outputs, cpu.run(tensors))
        return outputs

    def _call(self, worker: Worker, tensors: Tensors, patience_s: float) -> Tensors:
        """All rows, one call each: an accelerator has one fixed shape."""
        rows = len(next(iter(tensors.values()))) if self._is_batched else 1
        if rows == 1:
            return worker.call(tensors, patience_s)
        if rows == 0:
            raise Busy
        answers = [
            worker.call({name: array[i : i + 1] for name, array in tensors.items()}, patience_s)
            for i in range(rows)
        ]
        return {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}

    def _fits(self, tensors: Tensors) -> bool:
        """Whether the rows can be run one by one, and the answers put together again."""
        if not self._is_batched or self._has_rows:
            return True
        return all(len(array) == 1 for array in tensors.values())

    def _is_due(self) -> bool:
        return (
            self._calls <= self._patience.checked or self._calls % self._patience.check_every == 0
        )

    def _check(self, worker: Worker, chosen: Chosen, came: Tensors, right: Tensors) -> Tensors:
        """The answer that is sure: the CPU's where the accelerator's is another one."""
        problem = compare(came, right, chosen.verdict.tolerance)
        if problem is None:
            if self._calls > self._patience.forgive:
                self._failures = 0
            return came
        self._fallbacks += 1
        self._is_wrong = True
        self._fail(worker, problem.reason)
        return right

    def _fail(self, worker: Worker, reason: str) -> None:
        """Take the worker away from the requests; the supervisor does the rest."""
        if self._worker is worker:
            self._worker = None
            self._reason = reason
            self._changed.set()

    def _supervise(self) -> None:
        try:
            chosen = self._choose()
            if chosen is None:
                self._enter("refused")
                return
            self._chosen = chosen
            self._keep_running(chosen)
        except Exception:
            log.exception("%s: the accelerator is given up", self._bundle.manifest.name)
            self._worker = None
            self._enter("refused")

    def _choose(self) -> Chosen | None:
        """The fastest accelerator that is right; the first one where the user named it."""
        layout = self._layout()
        found, refused = candidates(self._bundle, self._choice, self._place)
        for refusal in refused:
            self._refuse(refusal)
        accepted: list[Chosen] = []
        last: dict[str, Verdict] = {}
        for candidate in found:
            before = last.get(candidate.name)
            # More precision helps where the numbers were wrong, and nowhere else.
            if self._stop.is_set() or (before and before.kind not in ("wrong", "nonfinite")):
                continue
            verdict = self._judge(candidate)
            if not candidate.is_named:
                verdict = judge_speed(verdict, layout.size_bytes)
            last[candidate.name] = verdict
            if verdict.kind == "accepted":
                accepted.append(Chosen(candidate, verdict))
            else:
                self._refuse(Refusal(candidate.label, verdict.reason))
        return min(accepted, key=lambda each: each.verdict.accelerated_s, default=None)

    def _judge(self, candidate: Candidate) -> Verdict:
        verdict = self._cache.read(self._bundle, candidate)
        if verdict is None:
            verdict = self._prober.probe(self._bundle, candidate)
            self._cache.write(self._bundle, candidate, verdict)
        return verdict

    def _refuse(self, refusal: Refusal) -> None:
        self._refused += (refusal,)
        if not self._stop.is_set():
            name = self._bundle.manifest.name
            log.warning("%s: accelerator %s refused: %s", name, refusal.name, refusal.reason)

    def _keep_running(self, chosen: Chosen) -> None:
        layout = self._layout()
        while not self._stop.is_set():
            self._changed.clear()
            worker = self._start(chosen, layout)
            if worker is not None:
                self._watch(worker)
            if self._stop.is_set():
                return
            if not self._may_go_on(chosen):
                return
            self._stop.wait(self._patience.backoff_s * 2 ** (self._failures - 1))

    def _watch(self, worker: Worker) -> None:
        """Return when the worker has failed or ended, or the server stops; it is closed then."""
        while self._worker is worker and not (worker.has_ended or self._stop.is_set()):
            self._changed.wait()
            self._changed.clear()
        self._worker = None
        if not self._stop.is_set():
            self._reason = self._reason or worker.death()
        worker.close()

    def _start(self, chosen: Chosen, layout: Layout) -> Worker | None:
        try:
            worker = self._starting = Worker(
                self._bundle,
                chosen.candidate,
                layout,
                threads=self._threads,
                start_s=self._patience.probe_s,
                call_s=self._patience.call_s,
                on_end=self._changed.set,
            )
        except AcceleratorError as error:
            self._reason = str(error)
            return None
        try:
            if self._stop.is_set():
                raise AcceleratorError("the server is stopping")
            worker.start()
        except AcceleratorError as error:
            self._reason = str(error)
            worker.close()
            return None
        finally:
            self._starting = None
        self._announce(chosen, worker)
        return worker

    def _announce(self, chosen: Chosen, worker: Worker) -> None:
        """Let the requests have the worker."""
        self._calls = 0
        self._reason = ""
        self._since = time()
        self._worker = worker
        self._enter("running")
        name, verdict = self._bundle.manifest.name, chosen.verdict
        log.info(
            "%s: on the accelerator %s, %.3g ms a call; the CPU takes %.3g ms",
            name,
            chosen.candidate.label,
            verdict.accelerated_s * 1000,
            verdict.cpu_s * 1000,
        )

    def _may_go_on(self, chosen: Chosen) -> bool:
        """Count a failure; false when it was one too many, or an answer was wrong."""
        self._failures += 1
        self._since = None
        name, label = self._bundle.manifest.name, chosen.candidate.label
        if not self._is_wrong and self._failures < self._patience.restarts:
            self._enter("restarting")
            log.warning(
                "%s: accelerator %s failed: %s; starting it again", name, label, self._reason
            )
            return True
        self._cache.forget(self._bundle, chosen.candidate)
        self._refused += (Refusal(label, self._reason),)
        self._enter("quarantined")
        log.error("%s: accelerator %s in quarantine: %s; on the CPU", name, label, self._reason)
        return False

    def _enter(self, state: State) -> None:
        if not self._stop.is_set():
            self._state = state

    def _layout(self) -> Layout:
        """Of one row: what the CPU takes and gives for the first golden sample."""
        inputs = {name: array[:1] for name, array in model_inputs(self._bundle).items()}
        outputs = {name: array[:1] for name, array in model_outputs(self._bundle).items()}
        return arrange(inputs, outputs)
