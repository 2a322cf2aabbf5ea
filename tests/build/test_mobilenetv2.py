"""The example of keras.applications builds as its README says."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from twite.bundle import load
from twite.model import Model

EXAMPLE = Path(__file__).parents[2] / "examples" / "mobilenetv2"


def test_the_example_builds_without_a_network_and_says_that_its_weights_are_random(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "mobilenetv2"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("trained"))
    subprocess.run([sys.executable, folder / "train.py"], check=True, capture_output=True)
    for file in (folder / "trained").iterdir():
        # A few are enough here; the example measures with all.
        np.savez(file, image=np.load(file)["image"][:6])
    command = [sys.executable, "-m", "twite", "build", folder, "-o", tmp_path / "dist"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "MobileNetV2 with random weights: its answers mean nothing" in done.stdout
    bundle = load(tmp_path / "dist")
    assert Model(bundle).replay() > 0
    assert bundle.manifest.provenance.notes
    shutil.rmtree(tmp_path / "dist")
    shutil.rmtree(folder)
