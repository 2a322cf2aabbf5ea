"""What the report shows beside the verdicts: hashes, the recipe's text, the worst samples."""

import hashlib
from pathlib import Path

from twite_build.recipe import RecipeFile
from twite_build.report import DataReport, Evidence, FileReport
from twite_build.reporting.worst import worst_samples
from twite_build.samples import Samples
from twite_build.search import Winner
from twite_build.verification.reference import Reference


def evidence(
    file: RecipeFile,
    calibration: Samples,
    evaluation: Samples,
    reference: Reference,
    winner: Winner,
) -> Evidence:
    data, model = file.recipe.data, winner.model.read_bytes()
    return Evidence(
        recipe=file.path.read_text("utf-8"),
        data=(
            _data("calibration", data.calibration, calibration),
            _data("evaluation", data.evaluation, evaluation),
        ),
        files=(FileReport("model.tflite", hashlib.sha256(model).hexdigest(), len(model)),),
        worst=worst_samples(
            reference.task,
            file.recipe.preprocess,
            evaluation,
            reference.outputs,
            winner.answers.evaluation,
        ),
    )


def _data(role: str, file: str, samples: Samples) -> DataReport:
    # Only what the recipe says: an absolute path is about one machine.
    name = Path(file).name if Path(file).is_absolute() else file
    return DataReport(role, name, samples.count, samples.sha256())
