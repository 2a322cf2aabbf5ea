"""The models that a server serves, by name and version."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from twite.bundle import Bundle, load
from twite.errors import NotFound, NotReady, UsageError
from twite.fields import suggestion
from twite.model import Model
from twite.pool import Pool

if TYPE_CHECKING:
    from twite.accelerators.acceleration import Acceleration

FindAccelerator = Callable[[Bundle], "Acceleration | None"]
"""What may run a bundle besides the CPU; None where nothing may."""


class Served(NamedTuple):
    """A verified model and the interpreters that answer for it."""

    name: str
    version: str
    model: Model
    pool: Pool


class Repository:
    """Every model of a server: loading, then ready, then stopping."""

    def __init__(self) -> None:
        self.models: tuple[Served, ...] = ()
        self.is_stopping = False
        self._accelerations: list[Acceleration] = []

    @property
    def state(self) -> str:
        if self.is_stopping:
            return "stopping"
        return "ready" if self.models else "loading"

    def load(
        self,
        paths: Sequence[Path],
        threads: int | None = None,
        find_accelerator: FindAccelerator | None = None,
    ) -> None:
        """Load and verify every bundle on the CPU.

        Raises BundleError, EngineError or VerificationFailed.
        """
        found: list[Served] = []
        for path in paths:
            bundle = load(path)
            acceleration = find_accelerator(bundle) if find_accelerator else None
            if acceleration:
                self._accelerations.append(acceleration)
            model = Model(bundle, threads, acceleration.engine if acceleration else None)
            manifest = model.manifest
            if manifest.name in (served.name for served in found):
                raise UsageError(f"two bundles are named '{manifest.name}'; serve one of them")
            found.append(Served(manifest.name, manifest.version, model, Pool(model)))
        self.models = tuple(found)

    def accelerate(self) -> None:
        """Begin to probe accelerators, now that the CPU serves."""
        for acceleration in self._accelerations:
            acceleration.begin()

    def find(self, name: str | None, version: str | None = None) -> Served:
        """The model of this name, or the only one; raises NotReady or NotFound."""
        if not self.models:
            raise NotReady("the model is still loading; try again in a second")
        if name is None and len(self.models) == 1:
            return self.models[0]
        names = [served.name for served in self.models]
        if name is None:
            raise NotFound(f"this server has the models {', '.join(names)}; name one in the path")
        served = next((served for served in self.models if served.name == name), None)
        if served is None:
            raise NotFound(f"there is no model '{name}'{suggestion(name[:60], names)}")
        if version not in (None, served.version):
            raise NotFound(f"model '{name}' has version {served.version}, not '{version}'")
        return served

    def close(self) -> None:
        for acceleration in self._accelerations:
            acceleration.close()
        for served in self.models:
            served.pool.close()
