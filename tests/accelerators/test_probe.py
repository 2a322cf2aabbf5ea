"""Every way in which a delegate can fail a probe ends in its verdict."""

from pathlib import Path

import pytest

from twite.accelerators.candidates import Candidate
from twite.accelerators.probe import Prober, Verdict, judge_speed
from twite.bundle import Bundle, load

FAILURES = {
    "mode=fail,stage=create": ("failed", "told to fail in create"),
    "mode=fail,stage=prepare": ("failed", "told to fail in prepare"),
    "mode=fail,stage=invoke": ("failed", "told to fail in invoke"),
    "mode=fail,stage=invoke,after=9": ("failed", "told to fail in invoke"),
    "mode=crash,stage=create": ("crashed", "crashed with SIGSEGV in create"),
    "mode=crash,stage=prepare": ("crashed", "crashed with SIGSEGV in prepare"),
    "mode=crash,stage=invoke": ("crashed", "crashed with SIGSEGV in invoke"),
    "mode=exit,stage=invoke": ("crashed", "ended its process with status 7 in invoke"),
    "mode=wrong": ("wrong", "call 1: output 'y' is off by"),
    "mode=wrong,after=20": ("wrong", "call 21: output 'y' is off by"),
    "mode=nan": ("nonfinite", "output 'y' is not finite"),
    "mode=idle": ("idle", "takes no operator"),
    "colour=red": ("failed", "unknown option"),
}


def candidate(library: Path, bundle: Bundle, options: str) -> Candidate:
    pairs = dict(pair.split("=") for pair in options.split(",") if pair)
    return Candidate("external", "delegate", str(library), pairs, str(bundle.model_path))


@pytest.mark.parametrize("options", FAILURES)
def test_a_failure_is_a_verdict(options: str, library: Path, tiny: Bundle, no_leaks: None) -> None:
    kind, reason = FAILURES[options]
    verdict = Prober(60.0, 1).probe(tiny, candidate(library, tiny, options))
    assert verdict.kind == kind, verdict
    assert reason in verdict.reason


@pytest.mark.parametrize("stage", ["create", "prepare", "invoke"])
def test_a_hang_ends_after_its_deadline(
    stage: str, library: Path, tiny: Bundle, no_leaks: None
) -> None:
    verdict = Prober(1.0, 1).probe(tiny, candidate(library, tiny, f"mode=hang,stage={stage}"))
    assert verdict.kind == "hung", verdict
    assert "no answer after 1 s" in verdict.reason


def test_a_right_one_is_accepted_with_its_times(
    library: Path, tiny: Bundle, no_leaks: None
) -> None:
    verdict = Prober(60.0, 1).probe(tiny, candidate(library, tiny, ""))
    assert verdict.kind == "accepted"
    assert verdict.cpu_s > 0
    assert verdict.accelerated_s > 0
    assert verdict.tolerance["y"] > 0


def test_a_slow_one_is_right_and_not_worth_it(library: Path, tiny: Bundle, no_leaks: None) -> None:
    verdict = Prober(60.0, 1).probe(tiny, candidate(library, tiny, "delay_us=20000"))
    assert verdict.kind == "accepted"
    assert judge_speed(verdict, 80).kind == "slow"


def test_faster_means_by_a_fifth_and_with_the_way_to_the_worker() -> None:
    assert judge_speed(Verdict("accepted", "", 1.3e-3, 1e-3), 80).kind == "accepted"
    assert judge_speed(Verdict("accepted", "", 1.1e-3, 1e-3), 80).kind == "slow"
    assert judge_speed(Verdict("accepted", "", 10e-6, 1e-6), 80).kind == "slow"
    assert judge_speed(Verdict("wrong", "off", 0, 0), 80).kind == "wrong"


def test_a_library_that_is_none_is_refused(tiny: Bundle, tmp_path: Path, no_leaks: None) -> None:
    junk = tmp_path / "libjunk.so"
    junk.write_bytes(b"junk")
    verdict = Prober(60.0, 1).probe(tiny, candidate(junk, tiny, ""))
    assert verdict.kind == "failed"
    assert "libjunk.so" in verdict.reason


def test_a_signature_that_is_not_the_first_of_its_file_is_left_to_the_cpu(
    library: Path, wire_bundles: list[Path], no_leaks: None
) -> None:
    (path,) = [path for path in wire_bundles if path.name == "several"]
    bundle = load(path)
    verdict = Prober(60.0, 1).probe(bundle, candidate(library, bundle, ""))
    assert verdict.kind == "failed"
    assert "'serving_default' is not the first signature of the model's file" in verdict.reason
