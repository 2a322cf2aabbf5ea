"""The gate: what a candidate must reach, by the recipe or by the task's strict defaults."""

from typing import NamedTuple

from twite.manifest import Postprocessing
from twite_build.errors import RecipeError
from twite_build.recipe import RecipeFile, Verify
from twite_build.scores import Task

DEFAULTS: dict[str, Verify] = {
    "classes": Verify(agreement=0.99, maximum_drop=0.005),
    "regression": Verify(agreement=0.999, maximum_increase=0.02),
    # An R² of 0.998 is an error of 4.5 %, the cosine of which would be 0.999.
    "tensors": Verify(agreement=0.998),
    "boxes": Verify(agreement=0.97, maximum_drop=0.005),
}
KEYS = {
    "classes": ("agreement", "maximum_drop", "minimum"),
    "regression": ("agreement", "maximum_increase", "maximum"),
    "tensors": ("agreement",),
    "boxes": ("agreement", "maximum_drop", "minimum"),
}
# Of the baseline: a source without any error must not be asked of its candidates.
ROUNDING = 1e-3
ACCURACIES = ("classes", "boxes")
"""The tasks whose metric is a share of right answers, the more the better."""


class Gate(NamedTuple):
    """agreement at least; the metric may worsen by `worsening` and must reach `limit`."""

    agreement: float
    worsening: float | None = None
    limit: float | None = None

    def spell(self, task: Task) -> str:
        parts = [f"{task.agreement_name} at least {self.agreement:g}"]
        is_accuracy = task.how.kind in ACCURACIES
        if self.worsening is not None:
            how = f"falls by at most {self.worsening:g}"
            if not is_accuracy:
                how = f"grows by at most {self.worsening:.3g} of the source's"
            parts.append(f"{task.metric_name} {how}")
        if self.limit is not None:
            parts.append(f"is at {'least' if is_accuracy else 'most'} {self.limit:g}")
        return ", ".join(parts)


def read_gate(file: RecipeFile) -> Gate:
    """The recipe's [verify] over the defaults; raises RecipeError for a key of another task."""
    given, kind = file.recipe.verify, file.recipe.postprocess.kind
    for name, number in given._asdict().items():
        if number is not None:
            _check(file, name, number, file.recipe.postprocess)
    value = {name: _first(given, DEFAULTS[kind], name) for name in KEYS[kind]}
    return Gate(
        agreement=value["agreement"] or 0.0,
        worsening=value.get("maximum_drop", value.get("maximum_increase")),
        limit=value.get("minimum", value.get("maximum")),
    )


def metric_problem(
    gate: Gate, kind: str, candidate: float, source: float, baseline: float
) -> str | None:
    """Why the metric does not pass the gate, or None; accuracy for classes, else an error."""
    if kind in ACCURACIES:
        return _accuracy_problem(gate, candidate, source)
    allowed = source * (1 + (gate.worsening or 0.0)) + ROUNDING * baseline
    if candidate > allowed:
        grew = f"mean absolute error {candidate:.4g}, the source's is {source:.4g}"
        return f"{grew}, at most {allowed:.4g} allowed"
    if gate.limit is not None and candidate > gate.limit:
        return f"mean absolute error {candidate:.4g}, at most {gate.limit:g} wanted"
    return None


def _accuracy_problem(gate: Gate, candidate: float, source: float) -> str | None:
    allowed = gate.worsening or 0.0
    # Shares of the same samples: a drop of exactly the allowed size must not fail on its last bit.
    if source - candidate > allowed + 1e-9:
        fell = f"accuracy {candidate:.4f} is {source - candidate:.4f} below the source's"
        return f"{fell}, at most {allowed:g} allowed"
    if gate.limit is not None and candidate < gate.limit:
        return f"accuracy {candidate:.4f}, at least {gate.limit:g} wanted"
    return None


def _first(given: Verify, default: Verify, name: str) -> float | None:
    value: float | None = getattr(given, name)
    return getattr(default, name) if value is None else value


def _check(file: RecipeFile, name: str, value: float, how: Postprocessing) -> None:
    known = KEYS[how.kind]
    where = f"{file.path} [verify] {name}"
    if name not in known:
        raise RecipeError(f"{where} is not for '{how.kind}'; known are {', '.join(known)}")
    if not (0 <= value <= 1 or (name == "maximum" and value >= 0)):
        raise RecipeError(f"{where} is {value:g}; it must be from 0 to 1")
