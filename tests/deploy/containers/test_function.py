"""The function's images in AWS's own emulator, on both architectures, and behind `sam local`."""

import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from containers import BUNDLE, ROOT, Docker, Images, wait_for
from invoked import emulated, invoke, picture_event

SAM = ROOT / ".venvs" / "sam" / "bin" / "sam"
# Without a list of binary types, sam hands on text alone.
FEATURES = json.dumps(
    {"features": np.load(BUNDLE / "golden" / "in.image.npy")[0].tolist()}
).encode()


def test_a_real_classifier_answers_in_128_mb(images: Images, docker: Docker) -> None:
    bundle = ROOT / "dist" / "imagenet"
    if not (bundle / "bundle.json").exists():
        pytest.skip("cannot run here: no dist/imagenet; make examples")
    options = ("-v", f"{bundle}:/imagenet:ro", "-e", "MODEL_PATH=/imagenet")
    with emulated(docker, images.lambda_amd64, "amd64", *options) as container:
        answer = invoke(container, picture_event())
        assert answer["statusCode"] == 200, answer
        assert len(json.loads(str(answer["body"]))["prediction"]) >= 3
        assert container.inspect("{{.State.OOMKilled}}") == "false"


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_image_answers_in_the_emulator(
    architecture: str, images: Images, docker: Docker, tmp_path: Path
) -> None:
    image = images.lambda_amd64 if architecture == "amd64" else images.lambda_arm64
    # On Lambda's arm64 the image's own files stand at this place.
    masked = tmp_path / "cpu"
    masked.mkdir()
    for name in ("possible", "present"):
        (masked / name).write_text("0-1\n")
    options = ("-v", f"{masked}:/sys/devices/system/cpu:ro") if architecture == "arm64" else ()
    # The function refuses to start where XNNPACK is not applied, so that an answer proves it.
    with emulated(docker, image, architecture, *options) as container:
        answer = invoke(container, picture_event())
        assert answer["statusCode"] == 200, answer
        (best, *_) = json.loads(str(answer["body"]))["prediction"]
        assert best["class"] == "7"


def test_arm64_brings_the_list_of_its_cores(images: Images, docker: Docker) -> None:
    name = docker("create", "--platform", "linux/arm64", images.lambda_arm64).strip()
    try:
        archive = subprocess.run(
            ["docker", "cp", f"{name}:/sys/devices/system/cpu/possible", "-"],
            env=docker.environment,
            capture_output=True,
            timeout=60,
        ).stdout
        assert b"0-1\n" in archive
    finally:
        docker.call("rm", name)


def test_sam_local_serves_the_image(images: Images, docker: Docker, tmp_path: Path) -> None:
    if not SAM.exists():
        pytest.skip("cannot run here: no sam; make .venvs/sam/.made")
    # SAM takes a name with a registry on loopback for one of AWS, and runs none of those.
    docker("tag", images.sam, "twite/lambda-sam:here")
    (tmp_path / "template.json").write_text(json.dumps(template("twite/lambda-sam:here")))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(SAM), "local", "start-api", "--skip-pull-image", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--template", str(tmp_path / "template.json")]
    environment = {**docker.environment, "HOME": str(tmp_path), "SAM_CLI_TELEMETRY": "0"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(lambda: answers(port, process, tmp_path / "log"), "sam local")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for name in docker("ps", "-aq", "--filter", "name=sam_").split():
            docker.call("rm", "--force", name)


def template(image: str) -> dict[str, object]:
    event = {"Type": "HttpApi", "Properties": {"Path": "/{proxy+}", "Method": "ANY"}}
    properties = {"PackageType": "Image", "ImageUri": image, "MemorySize": 512, "Timeout": 29}
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {**properties, "Events": {"Any": event}},
    }
    return {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Twite": function}}


def answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", FEATURES, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bool(json.load(answer)["prediction"][0]["confidence"] > 0.5)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.read()!r}: {log.read_text()}") from error
    except OSError:
        return False
