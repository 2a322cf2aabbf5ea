"""The GPU's way on software Vulkan: Mesa 25 runs it, Mesa 22 lacks what it needs."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twite.accelerators.acceleration import Acceleration
from twite.accelerators.discovery import Place
from twite.bundle import Bundle, load
from twite.engine import NAME, Engine
from twite.tensors import Tensors

ROOT = Path(__file__).parents[2]
Start = Callable[..., Acceleration]
Settle = Callable[[Acceleration], str]
Vulkan = Callable[[str], Place]

pytestmark = pytest.mark.skipif(
    NAME != "ai-edge-litert" or importlib.util.find_spec("ai_edge_litert.compiled_model") is None,
    reason=f"cannot run here: WebGPU comes with ai-edge-litert and this is {NAME}; `make test`",
)


@pytest.fixture
def vulkan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vulkan:
    """Let children use the driver of a folder of .venvs; a machine that seems to have a GPU."""

    def use(name: str) -> Place:
        folder = ROOT / ".venvs" / name
        drivers = sorted(folder.glob("usr/share/vulkan/icd.d/lvp_icd*.json"))
        if not drivers:
            how = "`make accelerators` on Debian"
            pytest.skip(f"cannot run here: software Vulkan is not in .venvs/{name}; {how}")
        loader = next(folder.glob("usr/lib/*/libvulkan.so.1"))
        monkeypatch.setenv("LD_LIBRARY_PATH", str(loader.parent))
        monkeypatch.setenv("VK_DRIVER_FILES", str(drivers[0]))
        (tmp_path / "dev/dri").mkdir(parents=True, exist_ok=True)
        (tmp_path / "dev/dri/renderD128").touch()
        return Place(tmp_path, (), (str(drivers[0]),))

    return use


def test_a_gpu_that_is_named_answers_right(
    vulkan: Vulkan, start: Start, settle: Settle, cpu: Engine, row: Tensors
) -> None:
    acceleration = start(choice="webgpu", place=vulkan("mesa-25"))
    assert settle(acceleration) == "running", acceleration.status()
    status = acceleration.status()
    assert status.name in ("webgpu:precision=fp16", "webgpu:precision=fp32")
    came, wanted = acceleration.run(row, cpu)["y"], cpu.run(row)["y"]
    np.testing.assert_allclose(came, wanted, atol=0.05)
    assert acceleration.status().fallbacks == 0


def test_a_software_gpu_is_refused_unless_it_is_named(
    vulkan: Vulkan, start: Start, settle: Settle
) -> None:
    acceleration = start(choice="auto", place=vulkan("mesa-25"))
    assert settle(acceleration) == "refused"
    refused = [each for each in acceleration.status().refused if each.name.startswith("webgpu")]
    assert "the GPU is software (llvmpipe" in refused[0].reason


def test_numbers_too_large_for_half_precision_are_run_in_full(
    vulkan: Vulkan,
    start: Start,
    settle: Settle,
    make_bundle: Callable[[Tensors], Bundle],
    row: Tensors,
) -> None:
    large = make_bundle({"x": np.concatenate([row["x"], -row["x"]]) * np.float32(1e5)})
    acceleration = start(choice="webgpu", place=vulkan("mesa-25"), bundle=large)
    assert settle(acceleration) == "running", acceleration.status()
    status = acceleration.status()
    assert status.name == "webgpu:precision=fp32"
    assert [each.name for each in status.refused] == ["webgpu:precision=fp16"]


def test_a_model_that_computes_its_shapes_stays_on_the_cpu(
    vulkan: Vulkan, start: Start, settle: Settle, bundles: Path
) -> None:
    acceleration = start(choice="webgpu", place=vulkan("mesa-25"), bundle=load(bundles / "digits"))
    assert settle(acceleration) == "refused"
    assert "build it with a fixed batch" in acceleration.status().refused[0].reason


def test_a_driver_that_lacks_features_is_unsuitable(
    vulkan: Vulkan, start: Start, settle: Settle
) -> None:
    acceleration = start(choice="webgpu", place=vulkan("mesa-22"))
    assert settle(acceleration) == "refused"
    assert "not fit for WebGPU: Vulkan" in acceleration.status().refused[-1].reason


def test_without_a_driver_there_is_no_gpu(vulkan: Vulkan, start: Start, settle: Settle) -> None:
    place = vulkan("mesa-25")._replace(vulkan_drivers=("/none",))
    acceleration = start(choice="webgpu", place=place)
    assert settle(acceleration) == "refused"
    assert (
        "no Vulkan driver; install mesa-vulkan-drivers" in acceleration.status().refused[-1].reason
    )
