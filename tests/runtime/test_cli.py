import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from twite import cli

SEVEN = Path(__file__).parents[2] / "examples/digits/seven.png"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("twite 0.")


def test_predict_answers_each_file_on_a_line(
    bundles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["predict", str(bundles / "digits"), str(SEVEN), str(SEVEN)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert json.loads(first)["prediction"][0]["class"] == "7"


def test_predict_names_the_file_it_cannot_read(
    bundles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["predict", str(bundles / "iris"), "notes.odt"]) == 2
    assert "notes.odt: what kind of file is it?" in capsys.readouterr().err
    assert cli.run(["predict", str(bundles / "iris"), "gone.json"]) == 1
    assert "gone.json: No such file" in capsys.readouterr().err


def test_check_passes_a_sound_bundle(bundles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", str(bundles / "digits")]) == 0
    assert "golden samples agree on ai-edge-litert" in capsys.readouterr().out
    assert cli.run(["check", "--json", str(bundles / "digits")]) == 0
    assert json.loads(capsys.readouterr().out)["xnnpack"] is True


def test_check_exits_3_on_a_tampered_bundle(
    bundles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(shutil.copytree(bundles / "digits", tmp_path / "digits"))
    (path / "labels.txt").write_text("0\n1\n2\n3\n4\n5\n6\n7\n8\n8\n")
    assert cli.run(["check", str(path)]) == 3
    assert "labels.txt has SHA-256" in capsys.readouterr().err


def test_inspect_shows_manifest_tensors_and_operators(
    bundles: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["inspect", str(bundles / "digits")]) == 0
    shown = capsys.readouterr().out
    for part in ("name", "digits 1", "image (N, 28, 28, 1) float32", "CONV_2D", "XNNPACK"):
        assert part in shown
    assert cli.run(["inspect", "--json", str(bundles / "digits")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["manifest"]["name"] == "digits"
    assert found["model"]["xnnpack"] is True


def test_inspect_reads_a_bare_model(bundles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["inspect", str(bundles / "iris/model.tflite")]) == 0
    assert "features (N, 3) float32" in capsys.readouterr().out


def test_inspect_refuses_a_file_that_is_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.tflite").write_bytes(b"nothing of the kind")
    assert cli.run(["inspect", str(tmp_path / "model.tflite")]) == 1
    assert "cannot load" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["sevre"], ["serve", "--port", "x"], ["predict"]])
def test_wrong_usage_exits_2_with_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("twite: ")
    assert shown.count("\n") == 1
    assert "--help" in shown


def test_output_that_nobody_reads_ends_quietly(bundles: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "twite", "inspect", "--json", str(bundles / "digits")]
    result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert b"Traceback" not in result.stderr
    assert result.returncode == 141
