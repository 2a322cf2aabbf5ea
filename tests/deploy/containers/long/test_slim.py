"""The function's images with a numpy without BLAS: small, whole, and of the same answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import BUNDLE, Docker, bake
from invoked import emulated, invoke, picture_event
from sizes import saved_sizes_mb

PREFIX = "twite-slim"
ARCHITECTURES = ("amd64", "arm64")
UNPACKED_MB, PACKED_MB = 78, 29


@pytest.fixture(scope="module")
def slim(docker: Docker) -> Iterator[dict[str, str]]:
    """The names of the slim images by architecture; numpy is compiled for both, in some minutes."""
    bake(docker, PREFIX, BUNDLE, "lambda-slim", "lambda")
    names = {each: f"{PREFIX}/lambda-slim:0.1.0-{each}" for each in ARCHITECTURES}
    yield names
    docker.call("rmi", "--force", *names.values(), *map(stock, ARCHITECTURES))


def stock(architecture: str) -> str:
    return f"{PREFIX}/lambda:0.1.0-{architecture}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_slim_image_stays_below_its_ceiling(
    architecture: str, slim: dict[str, str], docker: Docker
) -> None:
    packed, unpacked = saved_sizes_mb(slim[architecture], architecture, docker.environment)
    assert unpacked <= UNPACKED_MB
    assert packed <= PACKED_MB


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_module_of_a_slim_image_imports(
    architecture: str, slim: dict[str, str], docker: Docker
) -> None:
    script = Path(__file__).parents[1] / "import_everything.py"
    platform = ("--platform", f"linux/{architecture}", "-e", "QEMU_CPU=cortex-a72")
    options = ("-v", f"{script}:/import.py:ro", "--entrypoint", "/usr/bin/python3.11")
    assert docker.once(slim[architecture], "-B", "/import.py", options=(*platform, *options)) == ""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_slim_image_answers_as_the_stock_one_does(
    architecture: str, slim: dict[str, str], docker: Docker
) -> None:
    names = (slim[architecture], stock(architecture))
    one, other = (predictions(docker, name, architecture) for name in names)
    assert one == other


def predictions(docker: Docker, image: str, architecture: str) -> object:
    """Classes with their confidence to four decimals, of a picture."""
    with emulated(docker, image, architecture) as container:
        answer = invoke(container, picture_event())
        assert answer["statusCode"] == 200, answer
        return json.loads(str(answer["body"]))["prediction"]
