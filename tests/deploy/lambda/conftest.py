"""The function in the emulator, one for each bundle and session."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud, running
from emulated import Function, started

Start = Callable[..., Function]


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Function]:
    log = tmp_path_factory.mktemp("iris") / "log"
    with started(log, {"MODEL_PATH": str(bundles / "iris")}) as function:
        yield function


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory, bundles: Path) -> Iterator[Function]:
    log = tmp_path_factory.mktemp("digits") / "log"
    settings = {"MODEL_PATH": str(bundles / "digits"), "TWITE_MAX_BODY_BYTES": "4000000"}
    with started(log, settings) as function:
        yield function


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a function of its own for a test: start(settings, handler=…)."""
    with ExitStack() as stack:

        def begin(settings: Mapping[str, str], **more: Any) -> Function:
            return stack.enter_context(started(tmp_path / "log", settings, **more))

        yield begin


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("moto") / "log") as cloud:
        yield cloud
