"""The build: source → convert → quantize → verify → bundle."""

import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from twite import bundle
from twite.errors import BundleError, UsageError
from twite.frames import Scene
from twite.preprocess import preprocess
from twite_build import onnx_environment, selection
from twite_build.assemble import anchors, as_sent, contents, manifest, provenance
from twite_build.companions import Companions, check_companions, make_companions
from twite_build.conversion import Conversion, Limits, convert
from twite_build.data.read import read_samples
from twite_build.data.wanted import Wanted
from twite_build.explain import explain
from twite_build.further import further_signatures, signature_reports, signatures
from twite_build.progress import Progress
from twite_build.quantization.presets import spell_preset
from twite_build.recipe import RecipeFile, read_labels, read_scene
from twite_build.report import make_report
from twite_build.reporting.evidence import evidence
from twite_build.samples import (
    Samples,
    check_target,
    sample_warnings,
)
from twite_build.scratch import save_tensors
from twite_build.search import Further, Place, Search, Sets, Winner, keep, search
from twite_build.sources import Origin, read_source
from twite_build.targets import TARGETS, spell_target
from twite_build.verification.engines import find_engine
from twite_build.verification.gate import read_gate
from twite_build.verification.reference import Reference, activation_warning, check_source
from twite_build.verification.scores import Task
from twite_build.verification.served import check_bundle
from twite_build.verification.verify import Verdict


class Job(NamedTuple):
    """What a build starts from, all of it checked, and the folder that it works in."""

    file: RecipeFile
    place: Place
    origin: Origin
    labels: tuple[str, ...]
    calibration: Samples
    evaluation: Samples
    folder: Path
    progress: Progress
    scene: Scene | None = None


class Options(NamedTuple):
    """What the command line adds to a recipe; force also replaces a bundle of another name."""

    force: bool = False
    trust_pickle: bool = False
    explains: bool = False
    engine_python: Path | None = None
    limits: Limits = Limits()


class Built(NamedTuple):
    path: Path
    winner: Verdict
    verdicts: tuple[Verdict, ...]


def build(file: RecipeFile, target: Path, options: Options, progress: Progress) -> Built:
    """Build the recipe's bundle at target.

    Raises VerificationFailed when no candidate passes; nothing is written then. A bundle of the
    same name at target is replaced, another one only with force, any other folder never.
    """
    refuse_target(target, file.recipe.name, force=options.force)
    with tempfile.TemporaryDirectory(prefix="twite-") as folder:
        job = prepare(file, options, Path(folder), progress)
        sets = preprocess_sets(job)
        source = convert_source(job, sets, options.limits)
        reference = refer(job, source, sets)
        further = further_signatures(source, sets, reference)
        winner, verdicts = choose(job, source, sets, reference, further)
        if options.explains:
            for line in explain(verdicts, winner.verdict, file.recipe.quantize, reference.task):
                progress.line("explain", line)
        write(job, source, reference, further, winner, verdicts, target)
    progress.line("bundle", f"{target}, {winner.verdict.quantization}", "good")
    return Built(target, winner.verdict, verdicts)


def refuse_target(target: Path, name: str, *, force: bool) -> None:
    """Raise UsageError, before any work, where the bundle could not be written at the end."""
    if not target.exists():
        return
    if not (target / bundle.MANIFEST).is_file():
        raise UsageError(f"{target} is there and is no bundle; name another folder with -o")
    if force:
        return
    try:
        found = bundle.read_manifest(target).name
    except BundleError as error:
        raise UsageError(f"{error}; replace it with --force") from error
    if found != name:
        raise UsageError(f"{target} holds the bundle '{found}'; replace it with --force")


def prepare(file: RecipeFile, options: Options, folder: Path, progress: Progress) -> Job:
    """Read everything that the recipe names, before anything slow starts."""
    recipe = file.recipe
    origin = read_source(file, trust_pickle=options.trust_pickle)
    read_gate(file)
    labels = read_labels(file)
    scene = read_scene(file)
    wanted = Wanted(recipe.preprocess, recipe.postprocess, labels, recipe.data)
    calibration = read_samples(file.resolve(recipe.data.calibration), wanted)
    evaluation = read_samples(file.resolve(recipe.data.evaluation), wanted)
    check_target(evaluation, recipe.postprocess, labels)
    progress.line("recipe", f"{file.path}: {recipe.name} {recipe.version}")
    progress.line(
        "samples", f"{calibration.count:,} to calibrate on, {evaluation.count:,} to evaluate on"
    )
    for warning in sample_warnings(calibration, evaluation):
        progress.line("warning", warning, "warning")
    place = find_place(file, progress, options.engine_python)
    return Job(file, place, origin, labels, calibration, evaluation, folder, progress, scene)


def find_place(file: RecipeFile, progress: Progress, engine_python: Path | None) -> Place:
    """Where the bundle will run and what measures for it; tells what was asked for."""
    quantize, target = file.recipe.quantize, TARGETS[file.recipe.target]
    engine, warning = find_engine(target, engine_python)
    if target.name != "any":
        progress.line("target", spell_target(target, quantize))
    if warning:
        progress.line("warning", warning, "warning")
    if quantize.preset:
        progress.line("preset", spell_preset(quantize.preset))
    return Place(target, engine)


def preprocess_sets(job: Job) -> Sets:
    """Every set of samples as the model takes it, through the runtime's own preprocessing."""
    names, edges = selection.edge_inputs(job.calibration.inputs)
    golden_rows = selection.golden_rows(job.evaluation)
    decoded = {
        "calibration": job.calibration.inputs,
        "evaluation": job.evaluation.inputs,
        "edges": edges,
        "golden": selection.rows(job.evaluation.inputs, golden_rows),
    }
    paths = {"decoded": job.folder / "decoded.npz"}
    save_tensors(paths["decoded"], job.evaluation.inputs)
    for name, tensors in decoded.items():
        paths[name] = job.folder / f"{name}.npz"
        save_tensors(paths[name], preprocess(tensors, job.file.recipe.preprocess))
    return Sets(job.folder, paths, names, golden_rows)


def convert_source(job: Job, sets: Sets, limits: Limits) -> Conversion:
    """The source as a float32 .tflite, and its own answers to the evaluation samples."""
    progress, name = job.progress, job.file.recipe.source.file
    python = None
    if job.origin.kind == "onnx":
        python = onnx_environment.ready(partial(progress.line, "convert"))
    with progress.running("convert", name):
        source = convert(job.origin, sets.paths["evaluation"], job.folder, limits, python)
    tools = ", ".join(f"{tool} {version}" for tool, version in source.tools.items())
    progress.line("convert", f"{name}: {source.model.stat().st_size:,} bytes ({tools})")
    for note in source.notes:
        progress.line("convert", note)
    return source


def choose(
    job: Job,
    source: Conversion,
    sets: Sets,
    reference: Reference,
    further: tuple[Further, ...] = (),
) -> tuple[Winner, tuple[Verdict, ...]]:
    """The candidate that becomes the bundle; a source that is quantized already is the only one."""
    wanted = job.file.recipe.quantize
    asked = Search(
        source.model,
        sets,
        reference,
        wanted,
        job.place,
        job.progress,
        source.signature,
        further,
    )
    if source.quantization is not None:
        return keep(asked, source.quantization)
    return search(asked)


def refer(job: Job, source: Conversion, sets: Sets) -> Reference:
    """What the candidates are compared with; raises when the source itself is no good."""
    recipe = job.file.recipe
    task = Task(recipe.postprocess, job.labels, job.evaluation.target, job.scene)
    reference = Reference(
        task, read_gate(job.file), source.inputs, source.outputs, sets.edges, sets.golden
    )
    check_source(reference)
    if warning := activation_warning(reference):
        job.progress.line("warning", warning, "warning")
    if task.metric_name:
        job.progress.line("source", f"{task.metric_name} {reference.metric:.4g}")
    job.progress.line("gate", reference.gate.spell(task))
    if reference.gate.loosened:
        job.progress.line("allowed", ", ".join(reference.gate.loosened), "warning")
    return reference


def write(
    job: Job,
    source: Conversion,
    reference: Reference,
    further: tuple[Further, ...],
    winner: Winner,
    verdicts: tuple[Verdict, ...],
    target: Path,
) -> None:
    """Write the bundle aside, load it as a device does, and only then put it at target."""
    origin = provenance(job.file, job.origin, source, files_read(job))
    golden = as_sent(
        selection.rows(job.evaluation.inputs, reference.golden), job.file.recipe.preprocess, winner
    )
    # A companion holds the first graph of the file alone, whichever signature that is.
    companions = (
        make_companions(winner.model, job.place.target, job.folder)
        if source.signature is None
        else Companions((), {})
    )
    named, golden_files = signatures(source.signature, further, winner)
    made = manifest(job.file, winner, golden, reference, origin)._replace(
        target=job.place.target.name,
        allowed=reference.gate.loosened,
        companions=companions.entries,
        signatures=named,
    )
    told = evidence(job.file, job.calibration, job.evaluation, reference, winner)
    report = make_report(made, reference, verdicts, told)
    report = report._replace(signatures=signature_reports(further, winner))
    files = contents(winner, golden, job.labels, report) | companions.files | golden_files
    files |= anchors(job.file, job.scene)
    aside = job.folder / "bundle"
    bundle.write(aside, made, files)
    with job.progress.running("verify", "the bundle as written"):
        decoded, timeout_s = job.folder / "decoded.npz", job.file.recipe.quantize.timeout_s
        check_bundle(aside, decoded, reference, job.place.engine, timeout_s)
    for line in (*companions.notes, *check_companions(aside)):
        job.progress.line("companion", line)
    bundle.write(target, made, files, replace=True)


def files_read(job: Job) -> dict[str, Path]:
    """The files beside the source that this build read, by the recipe's names for them."""
    data = job.file.recipe.data
    names = [data.calibration, data.evaluation, *filter(None, [data.labels_file])]
    return {name: job.file.resolve(name) for name in names}
