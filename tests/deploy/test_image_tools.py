"""What images/ does to files, whatever their architecture."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "images"))

import elf  # noqa: E402
import trim  # noqa: E402


def test_a_stripped_program_still_runs_and_is_not_longer(tmp_path: Path) -> None:
    copy = tmp_path / "python"
    copy.write_bytes(Path(sys.executable).resolve().read_bytes())
    copy.chmod(0o755)
    before = copy.stat().st_size
    libraries = elf.needed(copy)
    elf.strip(copy)
    assert copy.stat().st_size <= before
    assert elf.needed(copy) == libraries
    assert any("libc.so" in name for name in libraries)
    # The interpreter needs its library where it was built.
    shown = subprocess.run(["ldd", str(copy)], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr


def test_what_is_no_elf_needs_nothing_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("hello")
    elf.strip(file)
    assert elf.needed(file) == []
    assert file.read_text() == "hello"


def test_a_package_without_a_table_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "surprise-1.0.dist-info").mkdir()
    tables = {"keep": [], "drop": [], "unused": []}
    with pytest.raises(SystemExit, match="surprise is locked and has no table"):
        trim.package_rules(tmp_path, tables, "cpu")


def test_what_no_pattern_names_stays_out(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("kept/a.py", "kept/tests/b.py", "other/c.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    trim.copy_kept(source, target, {"keep": ["kept/*"], "drop": ["*/tests/*"]})
    assert [str(path.relative_to(target)) for path in trim.files(target)] == ["kept/a.py"]


def test_a_slim_numpy_takes_the_place_of_the_wheels_libraries(tmp_path: Path) -> None:
    site, slim = tmp_path / "site", tmp_path / "slim"
    stock = ("numpy.libs/libblas.so", "numpy/_core/_umath.so", "numpy/linalg/lapack_lite.so")
    for folder, names in ((site, (*stock, "numpy/_core/a.py")), (slim, ("numpy/_core/_umath.so",))):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(folder.name)
    trim.replace_numpy(slim, site)
    left = {str(path.relative_to(site)): path.read_text() for path in trim.files(site)}
    assert left == {"numpy/_core/_umath.so": "slim", "numpy/_core/a.py": "site"}
