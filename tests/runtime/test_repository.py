import shutil
from pathlib import Path

import pytest

from twite import bundle
from twite.errors import BundleError, NotFound, UsageError
from twite.repository import Repository, find_bundles


def another_version(source: Path, target: Path, version: str) -> None:
    manifest = bundle.read_manifest(source)
    contents = {name: (source / name).read_bytes() for name in manifest.files}
    bundle.write(target, manifest._replace(version=version), contents)


def test_a_folder_stands_for_the_bundles_in_it(bundles: Path) -> None:
    assert find_bundles([bundles]) == [bundles / "digits", bundles / "iris"]
    assert find_bundles([bundles / "iris"]) == [bundles / "iris"]


def test_a_bundle_that_is_being_written_is_not_served(bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles / "iris", tmp_path / "iris")
    shutil.copytree(bundles / "iris", tmp_path / ".iris.abc")
    assert find_bundles([tmp_path]) == [tmp_path / "iris"]


def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no bundles"):
        find_bundles([tmp_path])


def test_the_newest_version_answers_unless_one_is_named(bundles: Path, tmp_path: Path) -> None:
    for version in ("1.9", "1.10", "1.2"):
        another_version(bundles / "iris", tmp_path / version, version)
    repository = Repository()
    repository.load([tmp_path])
    assert repository.find("iris").version == "1.10"
    assert repository.find(None).version == "1.10"
    assert repository.find("iris", "1.2").version == "1.2"
    with pytest.raises(NotFound, match="version 1.10, 1.2, 1.9, not '3'"):
        repository.find("iris", "3")
    repository.close()


def test_the_same_model_twice_is_refused(bundles: Path, tmp_path: Path) -> None:
    shutil.copytree(bundles / "iris", tmp_path / "iris")
    with pytest.raises(UsageError, match="both are 'iris' version 1"):
        Repository().load([bundles / "iris", tmp_path / "iris"])


def test_a_name_of_ones_own_is_for_one_bundle(bundles: Path) -> None:
    repository = Repository(name="flowers")
    repository.load([bundles / "iris"])
    assert repository.find("flowers").version == "1"
    repository.close()
    with pytest.raises(UsageError, match="'flowers' is for one bundle; 2 are served"):
        Repository(name="flowers").load([bundles])
