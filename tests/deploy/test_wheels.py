"""What a wheel of each distribution holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("folder", "package"), [("runtime", "twite"), ("build", "twite_build")])
def test_a_wheel_holds_its_package_and_its_licence(
    folder: str, package: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / folder, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
    sources = (ROOT / folder / package).rglob("*.py")
    modules = {str(path.relative_to(ROOT / folder)) for path in sources}
    assert modules <= names
    assert f"{info}/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {package, info}
