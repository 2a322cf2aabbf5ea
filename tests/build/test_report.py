"""The report: what was measured, as data, as a page and in a terminal; text stays text."""

import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twite.errors import BundleError, HashMismatch
from twite.fields import from_table
from twite.manifest import (
    ClassPostprocessing,
    EngineVersion,
    FeaturePreprocessing,
    ImagePreprocessing,
    Provenance,
    RegressionPostprocessing,
    TextPreprocessing,
)
from twite.tensors import TensorSpec
from twite_build.quantization.layers import LayerError
from twite_build.report import (
    CandidateReport,
    DataReport,
    Evidence,
    FileReport,
    Report,
    read_report,
    to_json,
)
from twite_build.reporting.page import to_html
from twite_build.reporting.plot import Point, scatter
from twite_build.reporting.png import png, shrunk
from twite_build.reporting.terminal import report_lines
from twite_build.reporting.worst import WorstSample, worst_samples
from twite_build.samples import Samples
from twite_build.verification.scores import Task

REPORT = Report(
    name="iris",
    version="1",
    description="Petals",
    quantization="fp16",
    task="regression",
    samples=30,
    agreement_name="R²",
    metric_name="mean absolute error",
    metric_source=0.25,
    gate="R² at least 0.999",
    candidates=(
        CandidateReport("fp32", True, None, 3000, 1.0, 0.25, 0.5),
        CandidateReport("int8-static", False, "R² 0.9000, at least 0.999 wanted", 900, 0.9, 0.3, 1),
        CandidateReport("fp16", True, None, 1600, 1.0, 0.25, 0.4),
    ),
    inputs=(TensorSpec("x", "float32", (-1, 3)),),
    outputs=(TensorSpec("y", "float32", (-1, 1)),),
    preprocessing=FeaturePreprocessing("features", "x"),
    postprocessing=RegressionPostprocessing("regression", "y"),
    engines=(EngineVersion("ai-edge-litert", "2.3.0", "x86_64"),),
    provenance=Provenance("trained/iris.keras", "ab", "cd", {"keras": "3"}),
    layers=(LayerError("dense", 0.01), LayerError("dense_1", 0.25)),
    evidence=Evidence(
        recipe='name = "iris"',
        data=(DataReport("calibration", "trained/calibration.npz", 120, "ef"),),
        files=(FileReport("model.tflite", "01", 1600),),
        worst=(WorstSample(3, 0.5, "1.5", "2.0", "1.4", "width 3", "data:image/png;base64,AA"),),
    ),
)
HOSTILE = "<script>alert('$title')</script><img src=x onerror=y>"


class Tags(HTMLParser):
    """Collects the tags and their sources, as a browser would see them."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.sources: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "onerror")]


def test_shows_every_candidate_and_marks_the_chosen_one() -> None:
    page = to_html(REPORT).decode()
    assert page.count('class="chosen"') == 1
    assert '<tr class="chosen"><th>fp16</th><td>1,600</td>' in page
    assert "refused: R² 0.9000, at least 0.999 wanted" in page


def hostile(value: object) -> object:
    """The same data with every text replaced, but what a schema fixes."""
    if isinstance(value, str):
        return value if value.startswith("data:image") else HOSTILE
    if isinstance(value, dict):
        fixed = ("kind", "dtype", "nonfinite", "quantization")
        return {key: item if key in fixed else hostile(item) for key, item in value.items()}
    return [hostile(item) for item in value] if isinstance(value, list) else value


def test_no_text_is_ever_markup() -> None:
    table = hostile(json.loads(to_json(REPORT)))
    found = Tags(to_html(from_table(Report, table, "report", BundleError)))
    assert "script" not in found.seen
    assert found.sources == []
    assert "table" in found.seen


def test_no_text_can_steer_a_terminal() -> None:
    lines = report_lines(REPORT._replace(description="\x1b[2Jgone\r\n\u202e"))
    assert all(char.isprintable() for line in lines for char in line)


def test_the_only_pictures_are_in_the_page_itself() -> None:
    found = Tags(to_html(REPORT))
    assert found.sources == ["data:image/png;base64,AA"]
    assert not {"script", "link", "iframe"} & set(found.seen)


def test_every_part_has_its_place() -> None:
    page = to_html(REPORT).decode()
    for wanted in (
        "Error by layer",
        "0.2500",
        "What went in",
        "calibration SHA-256",
        "Again",
        "Farthest from the source",
        "width 3",
        "What came out",
        "keras==3",
    ):
        assert wanted in page
    assert page.count("<svg") == 2
    bare = to_html(REPORT._replace(layers=(), evidence=Evidence())).decode()
    assert "Error by layer" not in bare
    assert "Farthest" not in bare


def test_a_report_is_read_as_it_was_written_but_for_its_pictures() -> None:
    again = from_table(Report, json.loads(to_json(REPORT)), "report", BundleError)
    worst = REPORT.evidence.worst[0]._replace(picture=None)
    assert again == REPORT._replace(evidence=REPORT.evidence._replace(worst=(worst,)))


def test_reads_the_report_of_a_bundle_and_refuses_a_changed_one(
    bundles: Path, tmp_path: Path
) -> None:
    assert read_report(bundles / "iris").name == "iris"
    copy = tmp_path / "iris"
    for file in (bundles / "iris").rglob("*"):
        if file.is_file():
            to = copy / file.relative_to(bundles / "iris")
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
    (copy / "report.json").write_text("{}")
    with pytest.raises(HashMismatch, match=r"report\.json has 2 bytes"):
        read_report(copy)


def test_the_command_prints_for_people_and_for_machines(bundles: Path) -> None:
    def twite(*arguments: object) -> str:
        command = [sys.executable, "-m", "twite", "report", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "in this bundle" in twite(bundles / "digits")
    assert json.loads(twite(bundles / "digits", "--json"))["name"] == "digits"
    assert "accuracy | mean absolute error" in twite(bundles / "digits", bundles / "iris")


def test_opens_the_page_in_the_browser_that_the_user_has(bundles: Path, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.new && mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "twite", "report", str(bundles / "iris"), "--open"]
    environment = {**os.environ, "BROWSER": f"{browser} %s"}
    subprocess.run(command, check=True, timeout=120, env=environment, capture_output=True)
    assert opened.read_text().strip() == (bundles / "iris" / "report.html").absolute().as_uri()


def test_the_same_report_is_the_same_bytes() -> None:
    again = REPORT._replace()
    assert (to_html(again), to_json(again)) == (to_html(REPORT), to_json(REPORT))


@pytest.mark.parametrize("values", [[(1e-3, 0.5)], [(1, 1), (1, 1)], [(2e-6, -3), (5e9, 1e6)]])
def test_a_plot_keeps_every_point_inside(values: list[tuple[float, float]]) -> None:
    points = [Point("a<b", x, y, True, i == 0) for i, (x, y) in enumerate(values)]
    root = ET.fromstring(scatter(points, "bytes", "R²", 0.4))
    circles = root.findall("circle")
    assert len(circles) == len(values)
    for circle in circles:
        assert 52 <= float(circle.attrib["cx"]) <= 368
        assert 14 <= float(circle.attrib["cy"]) <= 210
    assert len([text for text in root.findall("text") if text.text == "a<b"]) == len(values)


def test_there_is_no_plot_without_points() -> None:
    assert scatter([], "bytes", "accuracy") == ""
    assert scatter([Point("a", 0, 1, True, True)], "bytes", "accuracy") == ""


@pytest.mark.parametrize("shape", [(5, 7, 3), (3, 2, 1), (300, 224, 3)])
def test_a_png_is_what_a_reader_of_pngs_reads(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    small = shrunk(pixels)
    assert max(small.shape) <= 112 or small.shape == pixels.shape
    read = np.asarray(Image.open(io.BytesIO(png(small)))).reshape(small.shape)
    np.testing.assert_array_equal(read, small)


def test_the_worst_samples_are_those_of_another_class_then_the_farthest() -> None:
    how = ClassPostprocessing("classes", "y", activation="softmax")
    source = {"y": np.array([[2, 0], [0.1, 0], [3, 0], [0, 1]], np.float32)}
    answers = {"y": np.array([[1, 0], [0, 0.1], [3, 0], [0, 3]], np.float32)}
    task = Task(how, ("no", "yes"), np.array([0, 1, 0, 1]))
    pixels = np.zeros((4, 2, 2, 3), np.uint8)
    samples = Samples(Path("x"), {"image": pixels})
    image = ImagePreprocessing("image", "image", 2, 2, 3)
    found = worst_samples(task, image, samples, source, answers)
    assert [sample.row for sample in found] == [1, 3, 0]
    assert (found[0].source, found[0].answer, found[0].right) == ("no 0.525", "yes 0.525", "yes")
    assert found[0].picture is not None
    assert found[0].picture.startswith("data:image/png;base64,")


def test_the_worst_texts_are_shown_shortened() -> None:
    how = ClassPostprocessing("classes", "y", activation="softmax")
    source = {"y": np.array([[2, 0], [1, 0]], np.float32)}
    answers = {"y": np.array([[1, 0], [0, 1]], np.float32)}
    words = TextPreprocessing("text", "words", length=4, buckets=50)
    texts = ("short", "a  long one\n" + "and more " * 50)
    samples = Samples(Path("x"), {"words": np.zeros((2, 4), np.int32)}, texts=texts)
    found = worst_samples(Task(how, ("no", "yes"), None), words, samples, source, answers)
    assert [sample.shown for sample in found][1] == "short"
    assert str(found[0].shown).startswith("a long one and more ")
    assert str(found[0].shown).endswith(" …")
    assert len(str(found[0].shown)) <= 200
