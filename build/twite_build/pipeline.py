"""The build: source → convert → quantize → verify → bundle."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from twite import bundle
from twite.child import run_in_child
from twite.errors import BundleError, UsageError
from twite.model import Model
from twite.preprocess import preprocess
from twite_build import ladder, selection
from twite_build.assemble import contents, manifest, provenance
from twite_build.conversion import Conversion, Limits, convert
from twite_build.gate import read_gate
from twite_build.ladder import Sets, Winner
from twite_build.progress import Progress
from twite_build.recipe import RecipeFile, read_labels
from twite_build.reference import Reference, activation_warning, check_source
from twite_build.report import make_report
from twite_build.samples import (
    Samples,
    check_target,
    read_samples,
    sample_warnings,
)
from twite_build.scores import Task
from twite_build.scratch import save_tensors
from twite_build.sources import Origin, read_source
from twite_build.verify import Verdict


class Job(NamedTuple):
    """What a build starts from, all of it checked, and the folder that it works in."""

    file: RecipeFile
    origin: Origin
    labels: tuple[str, ...]
    calibration: Samples
    evaluation: Samples
    folder: Path
    progress: Progress


class Options(NamedTuple):
    """What the command line adds to a recipe; force also replaces a bundle of another name."""

    force: bool = False
    trust_pickle: bool = False
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
        winner, verdicts = choose(job, source, sets, reference)
        write(job, source, reference, winner, verdicts, target)
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
    calibration = read_samples(file.resolve(recipe.data.calibration), recipe.preprocess)
    evaluation = read_samples(file.resolve(recipe.data.evaluation), recipe.preprocess)
    check_target(evaluation, recipe.postprocess, labels)
    progress.line("recipe", f"{file.path}: {recipe.name} {recipe.version}")
    progress.line(
        "samples", f"{calibration.count:,} to calibrate on, {evaluation.count:,} to evaluate on"
    )
    for warning in sample_warnings(calibration, evaluation):
        progress.line("warning", warning, "warning")
    return Job(file, origin, labels, calibration, evaluation, folder, progress)


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
    paths = {}
    for name, tensors in decoded.items():
        paths[name] = job.folder / f"{name}.npz"
        save_tensors(paths[name], preprocess(tensors, job.file.recipe.preprocess))
    return Sets(job.folder, paths, names, golden_rows)


def convert_source(job: Job, sets: Sets, limits: Limits) -> Conversion:
    """The source as a float32 .tflite, and its own answers to the evaluation samples."""
    progress, name = job.progress, job.file.recipe.source.file
    with progress.running("convert", name):
        source = convert(
            job.origin,
            sets.paths["evaluation"],
            job.folder,
            limits,
            partial(progress.line, "convert"),
        )
    tools = ", ".join(f"{tool} {version}" for tool, version in source.tools.items())
    progress.line("convert", f"{name}: {source.model.stat().st_size:,} bytes ({tools})")
    for note in source.notes:
        progress.line("convert", note)
    return source


def choose(
    job: Job, source: Conversion, sets: Sets, reference: Reference
) -> tuple[Winner, tuple[Verdict, ...]]:
    """The candidate that becomes the bundle; a source that is quantized already is the only one."""
    wanted, progress = job.file.recipe.quantize, job.progress
    if source.quantization is not None:
        return ladder.keep(source.model, source.quantization, sets, reference, progress)
    return ladder.climb(source.model, sets, reference, wanted, progress)


def refer(job: Job, source: Conversion, sets: Sets) -> Reference:
    """What the candidates are compared with; raises when the source itself is no good."""
    recipe = job.file.recipe
    task = Task(recipe.postprocess, job.labels, job.evaluation.target)
    reference = Reference(
        task, read_gate(job.file), source.inputs, source.outputs, sets.edges, sets.golden
    )
    check_source(reference)
    if warning := activation_warning(reference):
        job.progress.line("warning", warning, "warning")
    if task.metric_name:
        job.progress.line("source", f"{task.metric_name} {reference.metric:.4g}")
    job.progress.line("gate", reference.gate.spell(task))
    return reference


def write(
    job: Job,
    source: Conversion,
    reference: Reference,
    winner: Winner,
    verdicts: tuple[Verdict, ...],
    target: Path,
) -> None:
    """Write the bundle aside, load it as a device does, and only then put it at target."""
    origin = provenance(job.file, job.origin, source, files_read(job))
    golden = selection.rows(job.evaluation.inputs, reference.golden)
    made = manifest(job.file, winner, golden, reference, origin)
    report = make_report(made, reference, verdicts)
    files = contents(winner, golden, job.labels, report)
    aside = job.folder / "bundle"
    bundle.write(aside, made, files)
    run_in_child("twite_build.pipeline:replay_in_child", {"bundle": str(aside)})
    bundle.write(target, made, files, replace=True)


def files_read(job: Job) -> dict[str, Path]:
    """The files beside the source that this build read, by the recipe's names for them."""
    data = job.file.recipe.data
    names = [data.calibration, data.evaluation, *filter(None, [data.labels_file])]
    return {name: job.file.resolve(name) for name in names}


def replay_in_child(request: Mapping[str, Any]) -> dict[str, Any]:
    """Load a bundle and replay its golden samples; raises what a device would."""
    Model(bundle.load(Path(request["bundle"]))).replay()
    return {}
