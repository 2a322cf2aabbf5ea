"""The report: text from a recipe or a model stays text, and time and place leave no trace."""

from twite.manifest import (
    EngineVersion,
    FeaturePreprocessing,
    Provenance,
    RegressionPostprocessing,
)
from twite.tensors import TensorSpec
from twite_build.report import CandidateReport, Report, to_html, to_json

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
        CandidateReport("fp32", True, None, 3000, 1.0, 0.25),
        CandidateReport("int8-static", False, "R² 0.9000, at least 0.999 wanted", 900, 0.9, 0.3),
        CandidateReport("fp16", True, None, 1600, 1.0, 0.25),
    ),
    inputs=(TensorSpec("x", "float32", (-1, 3)),),
    outputs=(TensorSpec("y", "float32", (-1, 1)),),
    preprocessing=FeaturePreprocessing("features", "x"),
    postprocessing=RegressionPostprocessing("regression", "y"),
    engines=(EngineVersion("ai-edge-litert", "2.3.0", "x86_64"),),
    provenance=Provenance("trained/iris.keras", "ab", "cd", {"keras": "3"}),
)


def test_shows_every_candidate_and_marks_the_chosen_one() -> None:
    page = to_html(REPORT).decode()
    assert page.count('class="chosen"') == 1
    assert '<tr class="chosen"><th>fp16</th><td>1,600</td>' in page
    assert "refused: R² 0.9000, at least 0.999 wanted" in page


def test_text_is_never_markup() -> None:
    hostile = "<script>alert('$title')</script>"
    page = to_html(REPORT._replace(name=hostile, description=hostile, gate=hostile)).decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;$title&#x27;)" in page


def test_a_tensor_name_is_never_markup() -> None:
    hostile = (TensorSpec("<img src=x>", "float32", (-1, 1)),)
    assert "<img" not in to_html(REPORT._replace(outputs=hostile)).decode()


def test_the_same_report_is_the_same_bytes() -> None:
    again = REPORT._replace()
    assert (to_html(again), to_json(again)) == (to_html(REPORT), to_json(REPORT))
