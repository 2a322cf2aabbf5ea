"""The examples that `make examples` built into dist/ do what their READMEs say."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from twite.bundle import load
from twite.model import Model

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/recipe.toml"))
PAGE_LINES = 50


def bundle(name: str) -> Path:
    path = ROOT / "dist" / name
    if not (path / "bundle.json").is_file():
        how = "apt install npm, then make examples" if name == "spam" else "make examples"
        pytest.skip(f"cannot run here: dist/{name} is not built; {how}")
    return path


def data(package: str) -> Path:
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "data"


class Predictor:
    """Answers as the server would, without one."""

    def __init__(self, name: str) -> None:
        self.model = Model(load(bundle(name)))

    def picture(self, body: bytes) -> Any:
        return json.loads(self.model.predict(body, "image/*"))["prediction"]

    def json(self, body: object) -> Any:
        sent = json.dumps(body).encode()
        return json.loads(self.model.predict(sent, "application/json"))["prediction"]

    @property
    def measured(self) -> dict[str, Any]:
        return dict(self.model.manifest.measurements)


@pytest.fixture(scope="module")
def imagenet() -> Predictor:
    return Predictor("imagenet")


@pytest.fixture(scope="module")
def faces() -> Predictor:
    return Predictor("faces")


@pytest.fixture(scope="module")
def spam() -> Predictor:
    return Predictor("spam")


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_readme_is_under_a_page_and_its_bundle_is_whole(name: str) -> None:
    text = (ROOT / "examples" / name / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= PAGE_LINES
    assert re.search(rf"(examples|dist)/{name}\b", text)
    assert Model(load(bundle(name))).replay() > 0


def test_imagenet_knows_the_photos_in_8_bits(imagenet: Predictor) -> None:
    assert imagenet.model.manifest.quantization.startswith("int8")
    assert imagenet.measured["metric_source"] == 0.9
    labels = imagenet.model.bundle.labels
    right = 0
    for photo in sorted(data("foolbox").glob("imagenet_*.jpg")):
        number = re.findall(r"_(\d+)\.jpg$", photo.name)[0]
        right += imagenet.picture(photo.read_bytes())[0]["class"] == labels[int(number)]
    assert right >= 17


def test_imagenet_sees_coffee(imagenet: Predictor) -> None:
    (first, *_) = imagenet.picture((data("skimage") / "coffee.png").read_bytes())
    assert first["class"] == "espresso"
    assert first["confidence"] > 0.8


def test_faces_finds_the_astronaut_in_pixels_of_the_picture(faces: Predictor) -> None:
    (found,) = faces.picture((data("skimage") / "astronaut.png").read_bytes())
    assert found["class"] == "face"
    assert found["box"] == pytest.approx([179, 81, 273, 176], abs=5)


def test_faces_finds_faces_where_faces_are(faces: Predictor) -> None:
    pieces = np.load(data("skimage") / "lfw_subset.npy")
    found = []
    for piece in pieces:
        body = io.BytesIO()
        grey = Image.fromarray((piece * 255).round().astype(np.uint8))
        grey.resize((128, 128), Image.Resampling.BICUBIC).save(body, "PNG")
        found.append(bool(faces.picture(body.getvalue())))
    assert sum(found[:100]) >= 97
    assert sum(found[100:]) <= 2


def test_spam_is_told_from_ham(spam: Predictor) -> None:
    assert spam.measured["metric_candidate"] >= 0.95
    file = ROOT / "examples" / "spam" / "trained" / "evaluation.jsonl"
    mails = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    answers = spam.json({"text": [mail["text"] for mail in mails]})
    right = [
        answer[0]["class"] == mail["label"] for answer, mail in zip(answers, mails, strict=True)
    ]
    assert np.mean(right) >= 0.95


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a server of the example in request.param."""
    log = tmp_path / "log"
    command = [sys.executable, "-m", "twite", "serve", str(bundle(request.param)), "--port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(r"on (http://[^ ,]*:\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.parametrize("server", ["faces"], indirect=True)
def test_a_server_answers_boxes_for_each_picture_of_a_form(server: str) -> None:
    whole = Image.open(data("skimage") / "astronaut.png").convert("RGB")
    pictures = []
    for picture in (whole, whole.resize((1024, 1024)), whole.crop((0, 0, 512, 256))):
        body = io.BytesIO()
        picture.save(body, "PNG")
        pictures.append(("image", ("a.png", body.getvalue(), "image/png")))
    answer = httpx.post(f"{server}/predict", files=pictures, timeout=60).json()["prediction"]
    assert len(answer) == 3
    box = answer[0][0]["box"]
    assert answer[1][0]["box"] == pytest.approx([2 * edge for edge in box], abs=8)
    assert answer[2][0]["box"] == pytest.approx(box, abs=12)


@pytest.mark.parametrize("server", ["spam"], indirect=True)
def test_a_server_takes_text_as_text_and_as_json(server: str) -> None:
    text = "Lose weight fast, 100% guaranteed, order now"
    plain = httpx.post(
        f"{server}/predict", content=text, headers={"content-type": "text/plain"}, timeout=60
    )
    sent = httpx.post(f"{server}/predict", json={"text": [text]}, timeout=60)
    assert plain.json()["prediction"] == sent.json()["prediction"][0]
    assert plain.json()["prediction"][0]["class"] == "spam"
    wrong = httpx.post(f"{server}/predict", json={"text": 5}, timeout=60)
    assert (wrong.status_code, "must be text" in wrong.json()["error"]) == (400, True)
