"""The gate: what a candidate must reach, by the recipe or by the task's strict defaults."""

from typing import NamedTuple

from twite.manifest import Postprocessing
from twite_build.errors import RecipeError
from twite_build.recipe import RecipeFile, Verify
from twite_build.verification.scores import CONFIDENT, F1, RMSE, TOP5, Task

DEFAULTS: dict[str, Verify] = {
    "classes": Verify(
        agreement=0.99,
        confident_agreement=0.995,
        top5_agreement=0.99,
        maximum_drop=0.005,
        maximum_top5_drop=0.005,
        maximum_f1_drop=0.01,
    ),
    "regression": Verify(
        agreement=0.999, maximum_error=0.1, maximum_increase=0.02, maximum_rmse_increase=0.05
    ),
    # An R² of 0.998 is an error of 4.5 %, the cosine of which would be 0.999.
    "tensors": Verify(agreement=0.998),
    "boxes": Verify(agreement=0.97, maximum_drop=0.005),
}
KEYS = {
    "classes": (
        "agreement",
        "confident_agreement",
        "top5_agreement",
        "maximum_drop",
        "maximum_top5_drop",
        "maximum_f1_drop",
        "minimum",
    ),
    "regression": (
        "agreement",
        "maximum_error",
        "maximum_increase",
        "maximum_rmse_increase",
        "maximum",
    ),
    "tensors": ("agreement", "maximum_error"),
    "boxes": ("agreement", "maximum_drop", "minimum"),
}
AT_LEAST = ("agreement", "confident_agreement", "top5_agreement", "minimum")
SWITCHES = {
    "edges": "outputs that are not finite for zeros and extremes",
    "baseline": "a source that is no better than a constant answer",
}
ACCURACIES = ("classes", "boxes")
"""The tasks whose metric is a share of right answers, the more the better."""
# Of the baseline: a source without any error must not be asked of its candidates.
ROUNDING = 1e-3


class Limit(NamedTuple):
    """By how much one of the further metrics may worsen."""

    metric: str
    worsening: float


class Gate(NamedTuple):
    """agreement at least; the metric may worsen by `worsening` and must reach `limit`.

    None is not asked. switches are the names of SWITCHES that are let through, loosened what
    differs from the defaults to the easier side, spelled NAME=VALUE or NAME.
    """

    agreement: float
    worsening: float | None = None
    limit: float | None = None
    confident: float | None = None
    top5: float | None = None
    error: float | None = None
    further: tuple[Limit, ...] = ()
    switches: tuple[str, ...] = ()
    loosened: tuple[str, ...] = ()

    def spell(self, task: Task) -> str:
        parts = [f"{task.agreement_name} at least {self.agreement:g}"]
        if self.confident is not None:
            parts.append(f"where the source is {CONFIDENT:g} sure at least {self.confident:g}")
        if self.top5 is not None and len(task.labels) > 5:
            parts.append(f"in the top 5 at least {self.top5:g}")
        if self.error is not None:
            parts.append(f"largest error at most {self.error:g} of the range")
        parts += self._spell_metric(task)
        return ", ".join(parts)

    def _spell_metric(self, task: Task) -> list[str]:
        is_accuracy, parts = task.how.kind in ACCURACIES, []
        for name, worsening in ((task.metric_name, self.worsening), *self.further):
            if worsening is not None and not (name == TOP5 and len(task.labels) <= 5):
                how = f"falls by at most {worsening:g}"
                if not is_accuracy:
                    how = f"grows by at most {worsening:.3g} of the source's"
                parts.append(f"{name} {how}")
        if self.limit is not None:
            at = "least" if is_accuracy else "most"
            parts.append(f"{task.metric_name} is at {at} {self.limit:g}")
        return parts


def read_gate(file: RecipeFile) -> Gate:
    """The recipe's [verify] over the defaults; raises RecipeError for a key of another task."""
    given, how = file.recipe.verify, file.recipe.postprocess
    kind = how.kind if how.kind in KEYS else "tensors"
    for name, number in given._asdict().items():
        if name != "allow" and number is not None:
            _check(file, name, number, how)
    value = {name: _first(given, DEFAULTS[kind], name) for name in KEYS[kind]}
    switches: list[str] = []
    for allowed in given.allow:
        _allow(f"{file.path} [verify] allow '{allowed}'", allowed, value, switches)
    further = (
        (TOP5, value.get("maximum_top5_drop")),
        (F1, value.get("maximum_f1_drop")),
        (RMSE, value.get("maximum_rmse_increase")),
    )
    return Gate(
        agreement=value["agreement"] or 0.0,
        worsening=value.get("maximum_drop", value.get("maximum_increase")),
        limit=value.get("minimum", value.get("maximum")),
        confident=value.get("confident_agreement"),
        top5=value.get("top5_agreement"),
        error=value.get("maximum_error"),
        further=tuple(Limit(name, number) for name, number in further if number is not None),
        switches=tuple(switches),
        loosened=(*_loosened(value, DEFAULTS[kind]), *switches),
    )


def _allow(where: str, allowed: str, value: dict[str, float | None], switches: list[str]) -> None:
    """Loosen one limit of value by its name, or add one of SWITCHES."""
    name, equals, text = allowed.partition("=")
    if name in SWITCHES and not equals:
        switches.append(name)
        return
    if name not in value:
        known = ", ".join((*value, *SWITCHES))
        raise RecipeError(f"{where}: there is no '{name}'; known are {known}")
    number = _number(where, text) if equals else None
    before = value[name]
    if number is not None and (before is None or _is_stricter(name, number, before)):
        came = "asked for nothing" if before is None else f"was {before:g}"
        raise RecipeError(f"{where}: {name} {came}; allow only loosens, tighten in [verify]")
    value[name] = number


def _number(where: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise RecipeError(f"{where}: '{text}' is no number of 0 or more")
    return number


def _is_stricter(name: str, number: float, before: float) -> bool:
    return number > before if name in AT_LEAST else number < before


def _loosened(value: dict[str, float | None], default: Verify) -> list[str]:
    found = []
    for name, number in value.items():
        before = getattr(default, name)
        if before is not None and number is None:
            found.append(name)
        elif before is not None and number is not None and _is_stricter(name, before, number):
            found.append(f"{name}={number:g}")
    return found


def metric_problem(
    gate: Gate, kind: str, candidate: float, source: float, baseline: float
) -> str | None:
    """Why the metric does not pass the gate, or None; accuracy for classes, else an error."""
    if kind in ACCURACIES:
        return _accuracy_problem(gate, candidate, source)
    allowed = source * (1 + (gate.worsening or 0.0)) + ROUNDING * baseline
    if gate.worsening is not None and candidate > allowed:
        grew = f"mean absolute error {candidate:.4g}, the source's is {source:.4g}"
        return f"{grew}, at most {allowed:.4g} allowed"
    if gate.limit is not None and candidate > gate.limit:
        return f"mean absolute error {candidate:.4g}, at most {gate.limit:g} wanted"
    return None


def further_problem(
    gate: Gate, kind: str, name: str, candidate: float, source: float, baseline: float
) -> str | None:
    """The same for one of the further metrics; None also where the gate asks for nothing."""
    worsening = dict(gate.further).get(name)
    if worsening is None:
        return None
    if kind in ACCURACIES:
        if source - candidate > worsening + 1e-9:
            fell = f"{name} {candidate:.4f} is {source - candidate:.4f} below the source's"
            return f"{fell}, at most {worsening:g} allowed"
        return None
    allowed = source * (1 + worsening) + ROUNDING * baseline
    if candidate > allowed:
        return (
            f"{name} {candidate:.4g}, the source's is {source:.4g}, at most {allowed:.4g} allowed"
        )
    return None


def _accuracy_problem(gate: Gate, candidate: float, source: float) -> str | None:
    allowed = 1.0 if gate.worsening is None else gate.worsening
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
    known = KEYS[how.kind if how.kind in KEYS else "tensors"]
    where = f"{file.path} [verify] {name}"
    if name not in known:
        raise RecipeError(f"{where} is not for '{how.kind}'; known are {', '.join(known)}")
    if not (0 <= value <= 1 or (name == "maximum" and value >= 0)):
        raise RecipeError(f"{where} is {value:g}; it must be from 0 to 1")
