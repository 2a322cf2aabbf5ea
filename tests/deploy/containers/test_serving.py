"""Containers serve: both architectures alike, hardened, small, and they end as they should."""

import http.client
import json
import os
import signal
import threading
from pathlib import Path

import pytest
from containers import HARDENED, Docker, Images, wait_for
from dialects import PLAIN, agree, answers

EMULATED = [("linux/arm64", "cortex-a72"), ("linux/arm64", "cortex-a53")]


@pytest.mark.parametrize(("platform", "cpu"), EMULATED)
def test_arm64_answers_as_amd64_does(
    platform: str, cpu: str, images: Images, docker: Docker, native: dict[str, object]
) -> None:
    options = ("--platform", platform, "-e", f"QEMU_CPU={cpu}", "--read-only", "--cap-drop", "ALL")
    with docker.running(images.edge, *options) as container:
        assert agree(native, answers(container.wait_until_ready()))


def test_arm64_computes_with_xnnpack(images: Images, docker: Docker) -> None:
    options = ("--platform", "linux/arm64", "-e", "QEMU_CPU=cortex-a72")
    report = json.loads(docker.once(images.edge, "check", "/model", "--json", options=options))
    assert report["xnnpack"] is True
    assert report["golden_samples"] > 0


def test_32_bit_arm_serves_with_the_second_engine(
    images: Images, docker: Docker, native: dict[str, object]
) -> None:
    options = ("--platform", "linux/arm/v7", "-e", "QEMU_CPU=cortex-a7")
    with docker.running(images.armv7, *options, "--read-only", "--cap-drop", "ALL") as container:
        assert agree(native, answers(container.wait_until_ready()))
        assert "tflite-runtime" in container.log


def test_a_hardened_container_is_healthy(images: Images, docker: Docker) -> None:
    options = ("--health-interval", "1s", "--platform", "linux/amd64")
    with docker.running(images.edge, *HARDENED, *options) as container:
        container.wait_until_ready()
        wait_for(lambda: container.inspect("{{.State.Health.Status}}") == "healthy", "health")
        assert container.inspect("{{.Config.User}}") == "65532:65532"


def test_a_mounted_bundle_is_served(images: Images, docker: Docker, bundles: Path) -> None:
    options = ("-v", f"{bundles / 'iris'}:/mnt/models:ro", "-e", "MODEL_PATH=/mnt/models")
    with docker.running(images.edge, *HARDENED, *options) as container:
        container.wait_until_ready()
        status, answer = container.ask("POST", "/predict", b'{"features": [5.1, 3.5, 0.2]}')
        assert status == 200, answer


def test_too_little_memory_kills_and_starts_again(images: Images, docker: Docker) -> None:
    options = ("--memory", "12m", "--memory-swap", "12m", "--restart", "on-failure:2")
    with docker.running(images.edge, *options) as container:
        wait_for(
            lambda: container.inspect("{{.State.Running}} {{.RestartCount}}") == "false 2",
            "two restarts",
        )
        assert container.inspect("{{.State.ExitCode}}") != "0"


@pytest.mark.parametrize("arguments", [("inspect", "/model"), ("doctor",)])
def test_commands_need_no_place_to_write(
    arguments: tuple[str, ...], images: Images, docker: Docker
) -> None:
    told = json.loads(docker.once(images.edge, *arguments, "--json", options=("--read-only",)))
    assert told


def test_a_crash_is_followed_by_a_new_start(images: Images, docker: Docker) -> None:
    with docker.running(images.edge, "--restart", "always", *HARDENED) as container:
        container.wait_until_ready()
        # As the kernel does when memory is over; after `docker kill` it would stay down.
        os.kill(int(container.inspect("{{.State.Pid}}")), signal.SIGKILL)
        wait_for(lambda: container.inspect("{{.RestartCount}}") == "1", "the restart")
        container.wait_until_ready()


def test_a_stop_under_load_loses_no_accepted_request(images: Images, docker: Docker) -> None:
    options = ("-e", "TWITE_DRAIN_PAUSE_S=1", "--platform", "linux/amd64")
    with docker.running(images.edge, *HARDENED, *options) as container:
        container.wait_until_ready()
        results: list[object] = []
        stopping = threading.Event()
        clients = [
            threading.Thread(target=ask_until_stopped, args=(container.port, stopping, results))
            for _ in range(4)
        ]
        for client in clients:
            client.start()
        wait_for(lambda: len(results) > 20, "some answers")
        stopping.set()
        docker("stop", "--time", "60", container.name)
        for client in clients:
            client.join(60)
        assert set(results) == {200}
        assert container.inspect("{{.State.ExitCode}}") == "0"


def ask_until_stopped(port: int, stopping: threading.Event, results: list[object]) -> None:
    """Ask in turn until the server refuses; what it accepted it must answer."""
    body, kind = PLAIN["json"]
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except OSError:
            return
        try:
            connection.request("POST", "/predict", body, {"content-type": kind})
            results.append(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            # Docker's proxy takes a connection before it finds that nobody listens behind it.
            if not stopping.is_set():
                results.append(repr(error))
            return
        finally:
            connection.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-e", "MODEL_PATH=/nowhere"), "/nowhere"),
        (("-e", "PORT=80000"), "PORT is '80000'"),
    ],
)
def test_says_what_is_wrong_in_one_line(
    options: tuple[str, ...], words: str, images: Images, docker: Docker
) -> None:
    done = docker.call("run", "--rm", *options, images.edge)
    said = [line for line in done.stderr.splitlines() if line.startswith("twite: ")]
    assert done.returncode != 0
    assert len(said) == 1, done.stderr
    assert words in said[0]
