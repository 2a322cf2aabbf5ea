"""The search: every candidate made and measured; the best that passes becomes the bundle."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from twite.errors import (
    ChildFailed,
    EngineError,
    ShapeMismatch,
    UnsupportedTarget,
    VerificationFailed,
)
from twite.tensors import TensorSpec
from twite_build.errors import DataError
from twite_build.operators import operator_problem
from twite_build.parallel import OnStart, in_parallel
from twite_build.progress import Progress, Tone
from twite_build.quantization.layers import LayerError
from twite_build.quantization.quantize import Quantized, Task, quantizing, relax
from twite_build.recipe import Quantization, Quantize
from twite_build.scratch import load_tensors
from twite_build.targets import TARGETS, Target, allowed_recipes
from twite_build.verification.engines import HERE, EnginePlace
from twite_build.verification.measure import Answers, measure
from twite_build.verification.reference import Reference
from twite_build.verification.timing import Latency, fastest, time_all
from twite_build.verification.verify import Verdict, judge

ORDER = ("int8-static", "int8-mixed", "int8-dynamic", "int8-weights", "int4-blockwise", "fp16")


class Sets(NamedTuple):
    """Preprocessed samples by name, what the rows of 'edges' are, and which rows are 'golden'."""

    folder: Path
    paths: dict[str, Path]
    edges: tuple[str, ...]
    golden: tuple[int, ...]


class Place(NamedTuple):
    """The target, and the engine that measures for it."""

    target: Target = TARGETS["any"]
    engine: EnginePlace = HERE


class Further(NamedTuple):
    """A signature beside the main one, with sets of samples and a reference of its own."""

    name: str
    sets: Sets
    reference: Reference


class Candidate(NamedTuple):
    """A quantized model, or the reason why it is none; size_bytes is 0 where no file was made."""

    quantization: str
    model: Path
    failure: str | None = None
    layers: tuple[LayerError, ...] = ()
    steps: tuple[tuple[str, ...], ...] = ()
    float_layers: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return self.model.stat().st_size if self.model.exists() else 0


class Attempt(NamedTuple):
    """A candidate's verdict; answers is None where it could not be run.

    further are the answers of its further signatures, as far as they were judged.
    """

    candidate: Candidate
    verdict: Verdict
    answers: Answers | None
    further: tuple[Answers, ...] = ()


class Winner(NamedTuple):
    """The candidate that becomes the bundle."""

    model: Path
    verdict: Verdict
    answers: Answers
    further: tuple[Answers, ...] = ()


class Search(NamedTuple):
    """The float32 model and everything that its candidates are made and judged with.

    signature is the main one's name where the model has several.
    """

    model: Path
    sets: Sets
    reference: Reference
    wanted: Quantize
    place: Place
    progress: Progress
    signature: str | None = None
    further: tuple[Further, ...] = ()


def search(asked: Search) -> tuple[Winner, tuple[Verdict, ...]]:
    """The best candidate that passes, and every verdict.

    The float32 model comes first: when it does not agree with its source the conversion is wrong,
    and a quantized one that passed would do so by accident. Raises VerificationFailed when none
    passes, UnsupportedTarget when the target's engine lacks an operator, and DataError when the
    calibration samples are not what the model takes.
    """
    check_calibration(asked.sets.paths["calibration"], asked.reference.inputs)
    if problem := operator_problem(asked.model, asked.place.target):
        raise UnsupportedTarget(f"target '{asked.place.target.name}': {problem}")
    wanted = asked.wanted._replace(recipes=allowed_recipes(asked.place.target, asked.wanted))
    asked = asked._replace(wanted=wanted)
    attempts = timed(asked, measured(asked))
    for attempt in attempts:
        tell(attempt, asked)
    return choose(asked, attempts), tuple(attempt.verdict for attempt in attempts)


def tell(attempt: Attempt, asked: Search) -> None:
    tone: Tone = "good" if attempt.verdict.passed else "bad"
    asked.progress.line("verify", attempt.verdict.spell(asked.reference.task), tone)


def keep(asked: Search, how: Quantization) -> tuple[Winner, tuple[Verdict, ...]]:
    """A source that is quantized already, as it is.

    Raises VerificationFailed when it fails and UnsupportedTarget as `search` does.
    """
    target = asked.place.target
    problem = operator_problem(asked.model, target) or target.refusal(how)
    if problem:
        raise UnsupportedTarget(f"target '{target.name}': {problem}")
    (found,) = timed(asked, [attempt(Candidate(how, asked.model), asked)])
    tell(found, asked)
    if not found.verdict.passed or found.answers is None:
        raise VerificationFailed(f"the source as it is fails: {found.verdict.reason}")
    return Winner(asked.model, found.verdict, found.answers, found.further), (found.verdict,)


def check_calibration(path: Path, inputs: tuple[TensorSpec, ...]) -> None:
    samples = load_tensors(path)
    wanted = {spec.name for spec in inputs}
    if set(samples) != wanted:
        raise DataError(
            f"the calibration samples hold {', '.join(sorted(samples))}; the model takes "
            f"{', '.join(sorted(wanted))}"
        )
    for spec in inputs:
        try:
            spec.check(samples[spec.name])
        except ShapeMismatch as error:
            raise DataError(f"the calibration samples: after [preprocess], {error}") from error


def measured(asked: Search) -> list[Attempt]:
    """float32 first, then every recipe, judged; a static one that fails gets layers left float."""
    task = quantization_task(asked)
    jobs: list[Callable[[OnStart], Attempt | list[Quantized]]]
    jobs = [partial(attempt_base, asked), *quantizing(task)]
    with asked.progress.running("quantize", ", ".join(asked.wanted.recipes)):
        done = in_parallel(lambda job, on_start: job(on_start), jobs)
    (base,) = [one for one in done if isinstance(one, Attempt)]
    if not base.verdict.passed:
        tell(base, asked)
        raise VerificationFailed(f"the float32 conversion fails: {base.verdict.reason}")
    made = [candidate(one, asked) for share in done if isinstance(share, list) for one in share]
    with asked.progress.running("verify", f"{len(made)} candidates"):
        attempts = attempt_all(made, asked)
    for attempt in attempts:
        is_static = attempt.candidate.quantization == "int8-static"
        if is_static and attempt.answers is not None and not attempt.verdict.passed:
            attempts = [*attempts, *relaxed(task, attempt.candidate, asked)]
    attempts.sort(key=lambda attempt: ORDER.index(attempt.candidate.quantization))
    return [base, *attempts]


def attempt_base(asked: Search, on_start: OnStart) -> Attempt:
    return attempt(Candidate("fp32", asked.model), asked, on_start)


def quantization_task(asked: Search) -> Task:
    inputs = [asked.reference.inputs, *(each.reference.inputs for each in asked.further)]
    fixed_batch = any(spec.shape[:1] == (1,) for specs in inputs for spec in specs)
    samples = asked.sets.paths["calibration"]
    further = {each.name: each.sets.paths["calibration"] for each in asked.further}
    folder, wanted = asked.sets.folder, asked.wanted
    return Task(asked.model, samples, folder, fixed_batch, wanted, asked.signature, further)


def candidate(made: Quantized, asked: Search) -> Candidate:
    """A quantizer that refuses, crashes or gains nothing makes a candidate that fails."""
    failure = made.failure or _gainless(made.model, asked)
    return Candidate(made.how, made.model, failure, made.layers, made.steps)


def relaxed(task: Task, static: Candidate, asked: Search) -> list[Attempt]:
    """Static int8 with its worst layers left float one by one, up to the first that passes.

    Only the last that was measured is told of; none where the quantizer made no static model.
    """
    attempts: list[Attempt] = []
    steps = static.steps[: asked.wanted.relax]
    if not steps:
        return attempts
    with asked.progress.running("relax", "the worst layers left float"):
        for left, model in zip(steps, relax(task, steps), strict=False):
            if _gainless(model, asked) is not None:
                continue
            attempts = attempt_all([Candidate("int8-mixed", model, float_layers=left)], asked)
            if attempts[0].verdict.passed:
                break
    return attempts


def attempt_all(candidates: Sequence[Candidate], asked: Search) -> list[Attempt]:
    return in_parallel(lambda one, on_start: attempt(one, asked, on_start), candidates)


def attempt(candidate: Candidate, asked: Search, on_start: OnStart | None = None) -> Attempt:
    """Measure and judge one candidate."""
    further: tuple[Answers, ...] = ()
    answers, failure = None, candidate.failure
    if failure is None:
        try:
            failure = operator_problem(candidate.model, asked.place.target)
            if failure is None:
                answers = _measure(candidate.model, asked, on_start)
        except (EngineError, ChildFailed, ShapeMismatch) as error:
            failure = _first_line(error, asked.sets.folder)
    verdict = Verdict(candidate.quantization, failure)
    if answers is not None:
        verdict = judge(candidate.quantization, answers, asked.reference)
        if verdict.passed:
            further, reason = judge_further(candidate, asked, on_start)
            verdict = verdict._replace(reason=reason)
    verdict = verdict._replace(
        size_bytes=candidate.size_bytes or None,
        layers=candidate.layers,
        float_layers=candidate.float_layers,
    )
    return Attempt(candidate, verdict, answers, further)


def judge_further(
    candidate: Candidate, asked: Search, on_start: OnStart | None = None
) -> tuple[tuple[Answers, ...], str | None]:
    """What the further signatures answer, up to the first that fails, and its failure."""
    found: list[Answers] = []
    for each in asked.further:
        try:
            answers = _measure(candidate.model, asked, on_start, each)
        except (EngineError, ChildFailed, ShapeMismatch) as error:
            return tuple(found), f"signature '{each.name}': {_first_line(error, each.sets.folder)}"
        found.append(answers)
        verdict = judge(candidate.quantization, answers, each.reference)
        if not verdict.passed:
            return tuple(found), f"signature '{each.name}': {verdict.reason}"
    return tuple(found), None


def _measure(
    model: Path, asked: Search, on_start: OnStart | None, further: Further | None = None
) -> Answers:
    sets = further.sets if further else asked.sets
    signature = further.name if further else asked.signature
    paths = {name: sets.paths[name] for name in ("evaluation", "edges", "golden")}
    engine, timeout_s = asked.place.engine, asked.wanted.timeout_s
    return measure(model, paths, sets.folder, engine, timeout_s, on_start, signature)


def timed(asked: Search, attempts: list[Attempt]) -> list[Attempt]:
    """The attempts with their latencies, all of them measured in turns in one process."""
    ran = [attempt for attempt in attempts if attempt.answers is not None]
    models = [attempt.candidate.model for attempt in ran]
    with asked.progress.running("time", f"{len(ran)} candidates in turns"):
        golden, timeout_s = asked.sets.paths["golden"], asked.wanted.timeout_s
        found = time_all(models, golden, asked.place.engine, timeout_s, asked.signature)
    latency = dict(zip(models, found, strict=True))
    return [_with_latency(attempt, latency.get(attempt.candidate.model)) for attempt in attempts]


def _with_latency(attempt: Attempt, taken: Latency | None) -> Attempt:
    if taken is None:
        return attempt
    verdict = attempt.verdict._replace(latency_ms=taken.median_ms, p99_ms=taken.p99_ms)
    return attempt._replace(verdict=verdict)


def choose(asked: Search, attempts: list[Attempt]) -> Winner:
    """The smallest or the fastest that passes; of those as fast, the first in ORDER."""
    ladder = [*attempts[1:], *(attempts[:1] if "fp32" in asked.wanted.recipes else ())]
    passing = [attempt for attempt in ladder if attempt.verdict.passed]
    if not passing:
        reasons = "; ".join(
            f"{a.verdict.quantization}: {a.verdict.reason}" for a in attempts if a.verdict.reason
        )
        raise VerificationFailed(
            f"none of the recipes passes, nothing is written ({reasons}); add 'fp32', which "
            "passes, to [quantize] recipes"
        )
    if asked.wanted.objective == "size":
        best = min(passing, key=lambda attempt: attempt.candidate.size_bytes)
    else:
        times = [attempt.verdict.latency_ms or float("inf") for attempt in passing]
        best = passing[fastest(times)[0]]
    if best.answers is None:
        raise VerificationFailed(f"{best.verdict.quantization} passed without answers")
    return Winner(best.candidate.model, best.verdict, best.answers, best.further)


def _gainless(model: Path, asked: Search) -> str | None:
    if not model.exists():
        return None
    size, float_size = model.stat().st_size, asked.model.stat().st_size
    return f"no smaller than float32's {float_size:,} bytes" if size >= float_size else None


def _first_line(error: Exception, folder: Path) -> str:
    """Without the working folder's name, which is another one in every build."""
    first = str(error).splitlines()[0].removesuffix("; its last output was:")
    return first.replace(f"{folder}/", "")
