"""The models that a server serves, by name and version."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Semaphore
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from twite.bounds import DEFAULT_BOUNDS, Bounds
from twite.bundle import MANIFEST, Bundle, load
from twite.errors import BundleError, NotFound, NotReady, UsageError
from twite.fields import suggestion
from twite.model import Accelerate, Model
from twite.pool import Limits, Pool
from twite.processors import processors
from twite.signatures import further, main_name, unknown
from twite.telemetry import Ledger, Snapshot

if TYPE_CHECKING:
    from twite.accelerators.acceleration import Acceleration

FindAccelerator = Callable[[Bundle, int], "Acceleration | None"]
"""What may run a bundle besides the CPU, given its threads there; None where nothing may."""


class Served(NamedTuple):
    """A verified model and the interpreters that answer for it; load_s is what both took.

    signatures are the model's further ones, by name; each has interpreters of its own.
    """

    name: str
    version: str
    model: Model
    pool: Pool
    load_s: float
    signatures: "dict[str, Served]" = {}  # noqa: RUF012

    def signature(self, name: str | None) -> "Served":
        """The signature of this name, the main one without; raises NotFound."""
        manifest = self.model.manifest
        if name is None or name == main_name(manifest):
            return self
        if name not in self.signatures:
            raise NotFound(f"model '{self.name}': {unknown(name, manifest)}")
        return self.signatures[name]


class Repository:
    """Every model of a server: loading, then ready, then stopping.

    All models, and all processes of a server, share the cores: each has an interpreter a core at
    most, and no more than one inference a core runs at a time. ledger keeps the models' numbers, by
    position.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        limits: Limits | None = None,
        ledger: Ledger | None = None,
        bounds: Bounds = DEFAULT_BOUNDS,
        find_accelerator: FindAccelerator = lambda bundle, threads: None,
    ) -> None:
        self.models: tuple[Served, ...] = ()
        self.is_stopping = False
        self._name = name
        self._limits = limits or Limits()
        self._ledger = ledger or Ledger()
        self._bounds = bounds
        self._find_accelerator = find_accelerator
        self._accelerations: list[Acceleration] = []
        self._found: dict[tuple[str | None, str | None], Served] = {}

    @property
    def state(self) -> str:
        if self.is_stopping:
            return "stopping"
        return "ready" if self.models else "loading"

    def load(self, paths: Sequence[Path], threads: int | None = None) -> None:
        """Load and verify every bundle; a folder of bundles stands for all in it.

        threads is for one interpreter, None to decide here. Raises BundleError, EngineError,
        VerificationFailed, or UsageError where two are the same model in the same version.
        """
        bundles = [load(path) for path in find_bundles(paths)]
        if self._name and len(bundles) > 1:
            raise UsageError(
                f"the name '{self._name}' is for one bundle; {len(bundles)} are served"
            )
        names = [self._name or bundle.manifest.name for bundle in bundles]
        _refuse_twice(names, bundles)
        cores = max(1, processors() // self._ledger.processes)
        rows = _rows(bundles)
        gate = Semaphore(cores) if sum(map(len, rows)) > 1 else None

        def serve(name: str, bundle: Bundle, row: int, accelerate: Accelerate | None) -> Served:
            begin = perf_counter()
            model = Model(bundle, threads or 1, self._bounds, accelerate)
            limits = self._limits._replace(cores=cores, may_widen=threads is None)
            pool = Pool(model, limits, self._ledger.telemetry(row), gate)
            return Served(name, bundle.manifest.version, model, pool, perf_counter() - begin)

        found: list[Served] = []
        for name, bundle, (row, *own) in zip(names, bundles, rows, strict=True):
            served = serve(name, bundle, row, self._accelerate(bundle, threads or cores))
            signatures = {
                each.name: serve(name, bundle.view(each.name), its, None)
                for each, its in zip(further(bundle.manifest), own, strict=True)
            }
            load_s = served.load_s + sum(each.load_s for each in signatures.values())
            found.append(served._replace(signatures=signatures, load_s=load_s))
        self._found = {}
        self.models = tuple(found)

    def _accelerate(self, bundle: Bundle, threads: int) -> "Accelerate | None":
        acceleration = self._find_accelerator(bundle, threads)
        if acceleration is None:
            return None
        self._accelerations.append(acceleration)
        return acceleration.engine

    def accelerate(self) -> None:
        """Begin to probe accelerators, now that the CPU serves."""
        for acceleration in self._accelerations:
            acceleration.begin()

    def find(self, name: str | None, version: str | None = None) -> Served:
        """The model of this name in this or the newest version, or the only one.

        Raises NotReady or NotFound.
        """
        if served := self._found.get((name, version)):
            return served
        self._found[name, version] = served = self._find(name, version)
        return served

    def _find(self, name: str | None, version: str | None) -> Served:
        if not self.models:
            raise NotReady("the model is still loading; try again in a second")
        if name is None and len(self.models) == 1:
            return self.models[0]
        names = sorted({served.name for served in self.models})
        if name is None:
            if len(names) > 1:
                raise NotFound(f"this server has the models {', '.join(names)}; name one of them")
            name = names[0]
        versions = [served for served in self.models if served.name == name]
        if not versions:
            raise NotFound(f"there is no model '{name}'{suggestion(name[:60], names)}")
        if version is None:
            return max(versions, key=lambda served: _order(served.version))
        for served in versions:
            if served.version == version:
                return served
        known = ", ".join(served.version for served in versions)
        raise NotFound(f"model '{name}' has version {known}, not '{version}'")

    def snapshot(self, position: int) -> Snapshot:
        """The numbers of the model at this position: all signatures, all processes."""
        rows = _rows([served.model.bundle for served in self.models])
        return self._ledger.snapshot(*rows[position])

    def stop(self) -> None:
        """Be ready no more, and go on answering."""
        self.is_stopping = True

    def close(self) -> None:
        for acceleration in self._accelerations:
            acceleration.close()
        for served in self.models:
            for each in (served, *served.signatures.values()):
                each.pool.close()


def find_bundles(paths: Sequence[Path]) -> list[Path]:
    """Each path that is a bundle, and for a folder of bundles those in it, by name."""
    return [bundle for path in paths for bundle in _bundles_in(path)]


def _bundles_in(path: Path) -> Iterator[Path]:
    if (path / MANIFEST).exists() or not path.is_dir():
        yield path
        return
    # A name with a dot in front is a bundle that is just being written.
    inside = sorted(manifest.parent for manifest in path.glob(f"[!.]*/{MANIFEST}"))
    if not inside:
        raise BundleError(
            f"{path} has no {MANIFEST} and holds no bundles; name a folder that `twite build` wrote"
        )
    yield from inside


def _rows(bundles: Sequence[Bundle]) -> list[tuple[int, ...]]:
    """Where each bundle's numbers are in the ledger: its own row, then one a further signature."""
    found: list[tuple[int, ...]] = []
    rest = len(bundles)
    for position, bundle in enumerate(bundles):
        more = len(further(bundle.manifest))
        found.append((position, *range(rest, rest + more)))
        rest += more
    return found


def _refuse_twice(names: Sequence[str], bundles: Sequence[Bundle]) -> None:
    seen: dict[tuple[str, str], Path] = {}
    for name, bundle in zip(names, bundles, strict=True):
        key = (name, bundle.manifest.version)
        if key in seen:
            raise UsageError(
                f"{seen[key]} and {bundle.path} both are '{name}' version {key[1]}; serve one of "
                "them, or build one with another name or version"
            )
        seen[key] = bundle.path


def _order(version: str) -> tuple[tuple[int, str], ...]:
    """'1.10' after '1.9': numbers by value, other parts by their letters."""
    parts = version.replace("-", ".").split(".")
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
