"""The ladder: candidates in the order of the objective, until one passes the gate."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from twite.errors import ChildFailed, EngineError, ShapeMismatch, VerificationFailed
from twite_build.errors import ConversionFailed
from twite_build.measure import Answers, measure
from twite_build.progress import Progress
from twite_build.quantize import quantize
from twite_build.recipe import LADDER, Quantization, Quantize
from twite_build.reference import Reference
from twite_build.verify import Verdict, judge


class Sets(NamedTuple):
    """Preprocessed samples by name, what the rows of 'edges' are, and which rows are 'golden'."""

    folder: Path
    paths: dict[str, Path]
    edges: tuple[str, ...]
    golden: tuple[int, ...]


class Candidate(NamedTuple):
    """A quantized model, or the reason why it is none; size_bytes is 0 where no file was made."""

    quantization: Quantization
    model: Path
    failure: str | None = None

    @property
    def size_bytes(self) -> int:
        return self.model.stat().st_size if self.model.exists() else 0


class Attempt(NamedTuple):
    """A candidate's verdict; answers is None where it could not be run."""

    verdict: Verdict
    answers: Answers | None


class Winner(NamedTuple):
    """The candidate that becomes the bundle."""

    model: Path
    verdict: Verdict
    answers: Answers


def climb(
    model: Path, sets: Sets, reference: Reference, wanted: Quantize, progress: Progress
) -> tuple[Winner, tuple[Verdict, ...]]:
    """The first candidate that passes, and every verdict.

    The float32 model comes first, whatever the order: when it does not agree with its source the
    conversion is wrong, and a quantized one that passed would do so by accident.
    Raises VerificationFailed when none passes.
    """
    base = attempt(Candidate("fp32", model), sets, reference, progress)
    if not base.verdict.passed:
        raise VerificationFailed(f"the float32 conversion fails: {base.verdict.reason}")
    verdicts = [base.verdict]
    for candidate in candidates(model, sets, reference, wanted, progress):
        found = base
        if candidate.quantization != "fp32":
            found = attempt(candidate, sets, reference, progress)
            verdicts.append(found.verdict)
        if found.verdict.passed and found.answers is not None:
            return Winner(candidate.model, found.verdict, found.answers), tuple(verdicts)
    reasons = "; ".join(f"{v.quantization}: {v.reason}" for v in verdicts if not v.passed)
    raise VerificationFailed(
        f"none of the recipes passes, nothing is written ({reasons}); add 'fp32', which passes, "
        "to [quantize] recipes"
    )


def keep(
    model: Path, how: Quantization, sets: Sets, reference: Reference, progress: Progress
) -> tuple[Winner, tuple[Verdict, ...]]:
    """A source that is quantized already, as it is; raises VerificationFailed when it fails."""
    found = attempt(Candidate(how, model), sets, reference, progress)
    if not found.verdict.passed or found.answers is None:
        raise VerificationFailed(f"the source as it is fails: {found.verdict.reason}")
    return Winner(model, found.verdict, found.answers), (found.verdict,)


def candidates(
    model: Path, sets: Sets, reference: Reference, wanted: Quantize, progress: Progress
) -> Iterator[Candidate]:
    """Made one at a time for latency; all of them first, smallest first, for size."""
    fixed_batch = any(spec.shape[:1] == (1,) for spec in reference.inputs)
    order = [how for how in LADDER if how in wanted.recipes]
    made = (make(model, how, sets, progress, fixed_batch=fixed_batch) for how in order)
    if wanted.objective == "latency":
        yield from made
    else:
        yield from sorted(made, key=lambda candidate: candidate.size_bytes)


def make(
    model: Path, how: Quantization, sets: Sets, progress: Progress, *, fixed_batch: bool
) -> Candidate:
    """One rung; a quantizer that refuses, crashes or gains nothing makes a candidate that fails."""
    try:
        with progress.running("quantize", how):
            made = quantize(
                model, how, sets.paths["calibration"], sets.folder, fixed_batch=fixed_batch
            )
    except (ConversionFailed, ChildFailed) as error:
        return Candidate(how, sets.folder / "none", _first_line(error, sets))
    size, float_size = made.stat().st_size, model.stat().st_size
    if how != "fp32" and size >= float_size:
        return Candidate(how, made, f"no smaller than float32's {float_size:,} bytes")
    return Candidate(how, made)


def attempt(candidate: Candidate, sets: Sets, reference: Reference, progress: Progress) -> Attempt:
    """Measure and judge one candidate, and tell."""
    quantization = candidate.quantization
    answers, failure = None, candidate.failure
    if failure is None:
        try:
            with progress.running("verify", quantization):
                answers = measure(candidate.model, _measured(sets), sets.folder)
        except (EngineError, ChildFailed, ShapeMismatch) as error:
            failure = _first_line(error, sets)
    verdict = Verdict(quantization, failure)
    if answers is not None:
        verdict = judge(quantization, answers, reference)
    verdict = verdict._replace(size_bytes=candidate.size_bytes or None)
    progress.line("verify", verdict.spell(reference.task), "good" if verdict.passed else "bad")
    return Attempt(verdict, answers)


def _measured(sets: Sets) -> dict[str, Path]:
    return {name: sets.paths[name] for name in ("evaluation", "edges", "golden")}


def _first_line(error: Exception, sets: Sets) -> str:
    """Without the working folder's name, which is another one in every build."""
    first = str(error).splitlines()[0].removesuffix("; its last output was:")
    return first.replace(f"{sets.folder}/", "")
