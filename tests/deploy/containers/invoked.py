"""The function's production image in the emulator, and the event of a picture."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from containers import HARDENED, ROOT, Container, Docker, wait_for

INVOKE = "/2015-03-31/functions/function/invocations"
EMULATOR = ROOT / ".docker" / "contexts" / "emulator" / "emulator"
PNG = (ROOT / "examples" / "digits" / "seven.png").read_bytes()


@contextmanager
def emulated(docker: Docker, image: str, architecture: str, *options: str) -> Iterator[Container]:
    """The production image with the emulator mounted into it."""
    binary = emulator(architecture)
    mount = ("-v", f"{binary}:/rie:ro", "--entrypoint", "/rie", "--tmpfs", "/tmp")
    runtime = ("/usr/bin/python3.11", "-m", "awslambdaric", "entry.handler")
    platform = ("--platform", f"linux/{architecture}", "-e", "QEMU_CPU=cortex-a72")
    with docker.running(
        image, *platform, *mount, *HARDENED, *options, arguments=runtime
    ) as container:
        yield container


def emulator(architecture: str) -> Path:
    binary = EMULATOR / architecture / "aws-lambda-rie"
    if not binary.exists():
        pytest.skip("cannot run here: no emulator; CONTEXTS=yes make lambda-image BUNDLE=dist/iris")
    return binary


def invoke(container: Container, event: object) -> dict[str, object]:
    body = json.dumps(event).encode()
    answered: list[tuple[int, bytes]] = []

    def ask() -> bool:
        try:
            answered.append(container.ask("POST", INVOKE, body))
        except OSError:
            assert container.inspect("{{.State.Running}}") == "true", container.log
        return bool(answered)

    wait_for(ask, "the emulator")
    status, answer = answered[0]
    assert status == 200, answer
    found: dict[str, object] = json.loads(answer)
    return found


def picture_event() -> dict[str, object]:
    """An HTTP API event, payload 2.0, with a picture."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/predict",
        "rawQueryString": "",
        "headers": {"content-type": "image/png", "host": "localhost"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": "POST", "path": "/predict", "sourceIp": "127.0.0.1"},
        },
        "body": base64.b64encode(PNG).decode(),
        "isBase64Encoded": True,
    }
