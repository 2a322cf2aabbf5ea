"""Which accelerators may run a bundle here: those found, with a model that they take."""

from typing import NamedTuple

from twite.accelerator_status import Refusal
from twite.accelerators.catalogue import CATALOGUE, Accelerator, Choice, find, option_problem
from twite.accelerators.discovery import Finding, Place, examine
from twite.bundle import Bundle

PRECISIONS = ("fp16", "fp32")


class Candidate(NamedTuple):
    """One way to run a bundle's model.

    library is a delegate's, or a Vulkan driver's manifest; options are the library's own.
    """

    name: str
    kind: str
    library: str
    options: dict[str, str]
    model: str
    operator: str = ""
    is_named: bool = False

    @property
    def label(self) -> str:
        """The name with its options, as in `webgpu:precision=fp16`."""
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{options}" if options else self.name


def candidates(
    bundle: Bundle, choice: Choice, place: Place
) -> tuple[list[Candidate], list[Refusal]]:
    """What to probe, in order, and what is refused without it."""
    entries = [find(choice.name)] if choice.is_named else list(CATALOGUE)
    found: list[Candidate] = []
    refused: list[Refusal] = []
    for entry in entries:
        if entry.name == "external" and not choice.is_named:
            continue
        finding = examine(entry, place, choice)
        if finding.state == "absent" and not choice.is_named:
            continue
        reason = refusal(bundle, entry, finding, choice)
        if reason is None:
            found += _ways(bundle, entry, finding, choice)
        else:
            refused.append(Refusal(entry.name, reason))
    return found, refused


def refusal(bundle: Bundle, entry: Accelerator, finding: Finding, choice: Choice) -> str | None:
    """Why the accelerator is not even tried, None when it is."""
    if problem := option_problem(entry, choice.options):
        return problem
    if finding.state != "ready":
        return f"{finding.missing}; {finding.fix}" if finding.fix else finding.missing
    if entry.operator and not _companion(bundle, entry):
        return (
            f"the bundle has no model compiled for it; build it where {entry.compiler} is installed"
        )
    for spec in (*bundle.manifest.inputs, *bundle.manifest.outputs):
        if -1 in spec.shape[1:]:
            return f"'{spec.name}' is {spec}: a shape that varies in more than the batch"
        if entry.kind == "webgpu" and spec.dtype == "int64":
            return f"'{spec.name}' is int64, which WebGPU does not take"
    return None


def _ways(bundle: Bundle, entry: Accelerator, finding: Finding, choice: Choice) -> list[Candidate]:
    options = {key: value for key, value in choice.options.items() if key != "library"}
    model = bundle.path / (_companion(bundle, entry) or bundle.manifest.model)
    way = Candidate(
        entry.name,
        entry.kind,
        finding.library,
        options,
        str(model),
        operator=entry.operator,
        is_named=choice.is_named,
    )
    if entry.kind != "webgpu" or "precision" in options:
        return [way]
    return [way._replace(options={**options, "precision": each}) for each in PRECISIONS]


def _companion(bundle: Bundle, entry: Accelerator) -> str | None:
    companions = bundle.manifest.companions
    return next((each.model for each in companions if each.accelerator == entry.name), None)
