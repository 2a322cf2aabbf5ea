"""A delegate that really fails, compiled here, and the bundle that it runs."""

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from twite.accelerators.acceleration import Acceleration, Patience
from twite.accelerators.catalogue import parse
from twite.accelerators.discovery import HERE, Place
from twite.bundle import Bundle, load, npy, write
from twite.doctor import TINY
from twite.engine import NAME, VERSION, Engine
from twite.manifest import (
    EngineVersion,
    Golden,
    Manifest,
    Provenance,
    TensorPostprocessing,
    TensorPreprocessing,
)
from twite.tensors import Tensors

SOON_S = 90.0
GENEROUS = Patience(probe_s=60.0, call_s=60.0, check_every=1, restarts=2, backoff_s=0.01)

Start = Callable[..., Acceleration]


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Tensors], Bundle]:
    """A bundle of the tiny model (x, 16 numbers, to y, 4 numbers) with these golden inputs."""

    def make(inputs: Tensors) -> Bundle:
        engine = Engine(TINY, 1)
        outputs = engine.run(inputs)
        golden = {"golden/in.x.npy": npy(inputs["x"]), "golden/out.y.npy": npy(outputs["y"])}
        manifest = Manifest(
            format="twite-bundle",
            schema_version=1,
            name="tiny",
            version="1",
            quantization="fp32",
            inputs=engine.inputs,
            outputs=engine.outputs,
            preprocessing=TensorPreprocessing("tensors"),
            postprocessing=TensorPostprocessing("tensors"),
            files={},
            golden=Golden(
                len(inputs["x"]),
                {"x": "golden/in.x.npy"},
                {"y": "golden/out.y.npy"},
                {"y": 1e-4 * float(np.abs(outputs["y"]).max())},
            ),
            engines=(EngineVersion(NAME, VERSION, "any"),),
            provenance=Provenance("tiny", "0" * 64, "0" * 64, {}),
            measurements={},
        )
        path = tmp_path_factory.mktemp("bundles") / "tiny"
        write(path, manifest, {"model.tflite": TINY.read_bytes(), **golden})
        return load(path)

    return make


@pytest.fixture(scope="session")
def tiny(make_bundle: Callable[[Tensors], Bundle]) -> Bundle:
    rows = np.random.default_rng(3).normal(size=(4, 16)).astype(np.float32)
    return make_bundle({"x": rows})


@pytest.fixture(scope="session")
def cpu(tiny: Bundle) -> Engine:
    return Engine(tiny.model_path, 1)


@pytest.fixture(scope="session")
def row() -> Tensors:
    return {"x": np.random.default_rng(5).normal(size=(1, 16)).astype(np.float32)}


@pytest.fixture
def start(
    library: Path, tiny: Bundle, tmp_path: Path, no_leaks: None
) -> Iterator[Callable[..., Acceleration]]:
    """Begin with the delegate and its options (`mode=good`), or with another choice."""
    begun: list[Acceleration] = []

    def begin(
        options: str = "",
        *,
        choice: str | None = None,
        patience: Patience = GENEROUS,
        place: Place = HERE,
        bundle: Bundle = tiny,
    ) -> Acceleration:
        wanted = choice or f"external:library={library},{options}"
        acceleration = Acceleration(
            bundle,
            parse(wanted),
            place=place,
            patience=patience,
            cache_folder=tmp_path / "cache",
        )
        begun.append(acceleration)
        acceleration.begin()
        return acceleration

    yield begin
    for acceleration in begun:
        acceleration.close()


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Whoever began something has ended its processes and freed its memory, whatever failed."""
    before = _held()
    yield
    wait_until(lambda: _held() == before)


def _held() -> tuple[set[str], int, int]:
    """Child processes of this one, memory shared with them, open files."""
    gc.collect()
    children: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        children |= set((task / "children").read_text().split())
    maps = Path("/proc/self/maps").read_text().count("memfd:twite")
    return children, maps, len(list(Path("/proc/self/fd").iterdir()))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


@pytest.fixture
def wait() -> Callable[[Callable[[], object]], None]:
    """Wait until a condition holds, with patience for a slow machine."""
    return wait_until


@pytest.fixture
def settle() -> Callable[[Acceleration], str]:
    """Wait until the accelerator was probed and, where it passed, runs; the state."""

    def settled(acceleration: Acceleration) -> str:
        wait_until(lambda: acceleration.status().state != "probing")
        wait_until(lambda: acceleration.is_running or acceleration.status().state != "running")
        return acceleration.status().state

    return settled
