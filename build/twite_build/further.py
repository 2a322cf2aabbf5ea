"""Further signatures: what each is asked in a build, and what its answers are compared with."""

from pathlib import Path

from twite.bundle import npy
from twite.errors import VerificationFailed
from twite.manifest import Golden, Signature, Signatures, TensorPostprocessing
from twite.quantized import quantize
from twite.tensors import Tensors
from twite_build import selection
from twite_build.assemble import golden_file
from twite_build.conversion import Conversion, FurtherSource
from twite_build.data.drawn import samples_for
from twite_build.report import SignatureReport
from twite_build.scratch import load_tensors, save_tensors
from twite_build.search import Further, Sets, Winner
from twite_build.verification.gate import DEFAULTS, Gate
from twite_build.verification.reference import Reference, check_source
from twite_build.verification.scores import Task, agreement
from twite_build.verification.verify import tolerance

TENSORS = TensorPostprocessing("tensors")


def further_signatures(source: Conversion, sets: Sets, main: Reference) -> tuple[Further, ...]:
    """Every signature beside the main one, with samples like those that the source answered.

    Raises VerificationFailed where the source itself is no good.
    """
    calibration = load_tensors(sets.paths["calibration"]) if source.further else {}
    return tuple(
        _further(each, calibration, sets, sets.folder / f"signature-{i}", _gate(main))
        for i, each in enumerate(source.further)
    )


def _gate(main: Reference) -> Gate:
    """The recipe's where its own task is 'tensors', else that task's defaults."""
    if main.task.how.kind == TENSORS.kind:
        return main.gate
    return Gate(DEFAULTS[TENSORS.kind].agreement or 0.0, switches=main.gate.switches)


def _further(
    source: FurtherSource, calibration: Tensors, sets: Sets, folder: Path, gate: Gate
) -> Further:
    own, _ = samples_for(source.inputs, calibration, "calibration")
    names, edges = selection.edge_inputs(own)
    tensors = {
        "calibration": own,
        "evaluation": source.samples,
        "edges": edges,
        "golden": selection.rows(source.samples, sets.golden),
    }
    folder.mkdir()
    paths = {name: folder / f"{name}.npz" for name in tensors}
    for name, each in tensors.items():
        save_tensors(paths[name], each)
    reference = Reference(Task(TENSORS), gate, source.inputs, source.outputs, names, sets.golden)
    try:
        check_source(reference)
    except VerificationFailed as error:
        raise VerificationFailed(
            f"signature '{source.name}': {error}; leave it out of [source] signatures"
        ) from error
    return Further(source.name, Sets(folder, paths, names, sets.golden), reference)


def signatures(
    main: str | None, further: tuple[Further, ...], winner: Winner
) -> tuple[Signatures | None, dict[str, bytes]]:
    """What the manifest says of them, and the files of their golden samples."""
    if main is None:
        return None, {}
    entries: list[Signature] = []
    files: dict[str, bytes] = {}
    pairs = zip(further, winner.further, strict=True)
    for i, (each, answers) in enumerate(pairs, start=1):
        asked = quantize(load_tensors(each.sets.paths["golden"]), answers.inputs)
        ins, outs = _named(i, "in", asked), _named(i, "out", answers.golden)
        allowed = tolerance(winner.verdict.quantization, answers.evaluation)
        golden = Golden(len(each.sets.golden), ins, outs, allowed)
        entries.append(Signature(each.name, answers.inputs, answers.outputs, golden))
        files |= {ins[name]: npy(array) for name, array in asked.items()}
        files |= {outs[name]: npy(array) for name, array in answers.golden.items()}
    return Signatures(main, tuple(entries)), files


def signature_reports(
    further: tuple[Further, ...], winner: Winner
) -> tuple[SignatureReport, ...] | None:
    found = []
    for each, answers in zip(further, winner.further, strict=True):
        real = answers.real(answers.evaluation)
        share = agreement(each.reference.task, real, each.reference.outputs)
        found.append(SignatureReport(each.name, answers.inputs, answers.outputs, share))
    return tuple(found) or None


def _named(number: int, kind: str, tensors: Tensors) -> dict[str, str]:
    return {name: golden_file(kind, name, f"golden/{number}") for name in sorted(tensors)}
