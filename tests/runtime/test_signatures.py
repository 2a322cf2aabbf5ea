"""Models of several signatures: each is a bundle of its own to whatever serves it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from twite.bundle import load, npy, read_manifest, write
from twite.cli import run
from twite.engine import Engine, signatures
from twite.errors import BundleError, EngineError, NotFound, VerificationFailed
from twite.manifest import Signature, Signatures
from twite.model import Model
from twite.repository import Repository
from twite.signatures import further

MODEL = Path(__file__).parent / "models" / "several.tflite"
TABLE = np.float32([[1, 2], [3, 4], [5, 6]])
ROWS = np.float32([[1, 0, 2], [0, 1, 0], [3, 3, 3]])


@pytest.fixture(scope="session")
def several(wire_bundles: list[Path]) -> Path:
    (path,) = [path for path in wire_bundles if path.name == "several"]
    return path


def rewritten(path: Path, target: Path, further: tuple[Signature, ...], **files: bytes) -> Path:
    """The bundle with these signatures beside its main one."""
    manifest = read_manifest(path)
    contents = {name: (path / name).read_bytes() for name in manifest.files}
    signatures = Signatures("serving_default", further)
    write(target, manifest._replace(signatures=signatures), {**contents, **files})
    return target


def further_of(path: Path) -> tuple[Signature, ...]:
    return further(read_manifest(path))


def test_an_engine_runs_the_signature_that_is_named() -> None:
    assert sorted(signatures(MODEL)) == ["embed", "one", "serving_default"]
    engine = Engine(MODEL, 1, "embed")
    assert [spec.name for spec in engine.inputs] == ["scale", "x"]
    assert [spec.name for spec in engine.outputs] == ["embedding", "rows", "same"]
    scale = np.float32([[2], [1], [0]])
    answers = engine.run({"x": ROWS, "scale": scale})
    np.testing.assert_allclose(answers["embedding"], ROWS @ TABLE * scale)
    np.testing.assert_array_equal(answers["same"], answers["embedding"])
    np.testing.assert_allclose(answers["rows"], answers["same"].sum(axis=1))


def test_a_batch_of_any_size_is_answered_row_by_row_where_the_signature_takes_one() -> None:
    engine = Engine(MODEL, 1, "one")
    assert engine.inputs[0].shape == (1, 2)
    numbers = np.arange(6, dtype=np.int32).reshape(3, 2)
    np.testing.assert_array_equal(engine.run({"numbers": numbers})["next"], numbers + 1)


def test_the_size_of_a_batch_may_change_and_answers_belong_to_the_caller() -> None:
    engine = Engine(MODEL, 1, "serving_default")
    first = engine.run({"x": ROWS})["scores"]
    before = first.copy()
    alone = engine.run({"x": ROWS[2:]})["scores"]
    np.testing.assert_allclose(alone, first[2:], atol=1e-6)
    np.testing.assert_array_equal(first, before)


def test_an_engine_refuses_a_signature_that_the_model_lacks() -> None:
    with pytest.raises(EngineError, match="it has no signature 'embde'; it has embed, one"):
        Engine(MODEL, 1, "embde")


def test_an_engine_works_again_after_a_run_that_failed() -> None:
    engine = Engine(MODEL, 1, "serving_default")
    wanted = engine.run({"x": ROWS})["scores"]
    with pytest.raises(EngineError, match="failed in several"):
        engine.run({"x": ROWS.astype(np.int64)})
    np.testing.assert_array_equal(engine.run({"x": ROWS})["scores"], wanted)


def test_a_view_is_the_bundle_of_one_signature(several: Path) -> None:
    bundle = load(several)
    assert bundle.signature == "serving_default"
    assert bundle.view("serving_default") is bundle
    view = bundle.view("embed")
    assert view.signature == "embed"
    assert view.manifest.preprocessing.kind == view.manifest.postprocessing.kind == "tensors"
    assert Model(view, 1).replay() > 0
    body = b'{"inputs": {"x": [1, 0, 2], "scale": [3]}}'
    answer = Model(view, 1).predict(body, "application/json")
    assert json.loads(answer)["prediction"]["embedding"] == [33.0, 42.0]
    with pytest.raises(NotFound, match="no signature 'x'; known are serving_default, embed, one"):
        bundle.view("x")


def test_a_bundle_of_one_signature_says_nothing_of_signatures(bundles: Path) -> None:
    assert "signatures" not in json.loads((bundles / "iris/bundle.json").read_text())
    assert load(bundles / "iris").signature is None


def test_refuses_two_signatures_of_one_name(several: Path, tmp_path: Path) -> None:
    embed, _ = further_of(several)
    with pytest.raises(BundleError, match="each needs a name of its own"):
        rewritten(several, tmp_path / "twice", (embed, embed))


def test_refuses_golden_samples_of_other_tensors(several: Path, tmp_path: Path) -> None:
    embed, one = further_of(several)
    with pytest.raises(BundleError, match="golden inputs for numbers; the model has scale, x"):
        rewritten(several, tmp_path / "wrong", (embed._replace(golden=one.golden), one))


def test_a_signature_that_answers_otherwise_is_not_served(several: Path, tmp_path: Path) -> None:
    embed, one = further_of(several)
    golden = embed.golden
    golden = golden._replace(outputs={**golden.outputs, "same": "zero.npy"})
    zero = {"zero.npy": npy(np.zeros((1, 2), np.float32))}
    path = rewritten(several, tmp_path / "off", (embed._replace(golden=golden), one), **zero)
    repository = Repository()
    with pytest.raises(VerificationFailed, match="output 'same' is off by"):
        repository.load([path])
    assert run(["check", str(path)]) == 3
    repository.close()


def test_a_repository_serves_every_signature(several: Path) -> None:
    repository = Repository()
    repository.load([several])
    served = repository.find("several")
    assert served.signature(None) is served.signature("serving_default") is served
    assert served.signature("embed").model.manifest.outputs[0].name == "embedding"
    with pytest.raises(NotFound, match="model 'several': there is no signature 'x'; known are"):
        served.signature("x")
    repository.close()


def test_check_and_inspect_name_every_signature(
    several: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(several)]) == 0
    assert "signature embed: 1 golden samples agree" in capsys.readouterr().out
    for path in (several, MODEL):
        assert run(["inspect", str(path)]) == 0
        assert re.search(
            r"signature +embed\n  input +scale \(N, 1\) float32", capsys.readouterr().out
        )


def test_predict_asks_the_signature_that_is_named(
    several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request.json"
    file.write_text('{"features": [[1, 2]]}')
    assert run(["predict", "--signature", "one", str(several), str(file)]) == 0
    assert json.loads(capsys.readouterr().out) == {"prediction": {"next": [[2, 3]]}}
    assert run(["predict", "--signature", "two", str(several), str(file)]) == 1
    assert "there is no signature 'two'" in capsys.readouterr().err
