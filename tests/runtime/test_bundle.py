import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twite import bundle
from twite.errors import BundleError, HashMismatch


@pytest.fixture
def digits(bundles: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundles / "digits", tmp_path / "digits"))


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    file = path / "bundle.json"
    table = json.loads(file.read_text())
    edit(table)
    file.write_text(json.dumps(table))


def contents_of(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in bundle.read_manifest(path).files}


def test_loads_what_was_written(digits: Path) -> None:
    loaded = bundle.load(digits)
    assert loaded.manifest.name == "digits"
    assert loaded.labels == tuple("0123456789")
    assert loaded.model_path.read_bytes()[4:8] == b"TFL3"
    assert loaded.golden_inputs()["image"].dtype == np.uint8


def test_a_bundle_is_there_at_every_moment_of_its_exchange(digits: Path, bundles: Path) -> None:
    iris = (bundle.read_manifest(bundles / "iris"), contents_of(bundles / "iris"))
    own = (bundle.read_manifest(digits), contents_of(digits))
    over, missing = threading.Event(), []

    def look() -> None:
        while not over.is_set():
            if not (digits / "bundle.json").exists():
                missing.append(True)

    looking = threading.Thread(target=look)
    looking.start()
    for manifest, contents in [iris, own] * 10:
        bundle.write(digits, manifest, contents, replace=True)
    over.set()
    looking.join()
    assert missing == []
    assert bundle.load(digits).manifest.name == "digits"
    assert [path.name for path in digits.parent.iterdir()] == ["digits"]


def test_where_folders_cannot_change_places_the_old_one_steps_aside(
    digits: Path, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a file system without RENAME_EXCHANGE.
    monkeypatch.setattr(bundle, "_exchange", lambda one, other: False)
    found = bundle.read_manifest(bundles / "iris")
    bundle.write(digits, found, contents_of(bundles / "iris"), replace=True)
    assert bundle.load(digits).manifest.name == "iris"
    assert [path.name for path in digits.parent.iterdir()] == ["digits"]


def test_writes_the_same_bytes_again(digits: Path, tmp_path: Path) -> None:
    bundle.write(tmp_path / "again", bundle.read_manifest(digits), contents_of(digits))
    assert (tmp_path / "again/bundle.json").read_bytes() == (digits / "bundle.json").read_bytes()


def test_names_both_hashes_of_a_tampered_file(digits: Path) -> None:
    model = digits / "model.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    wanted = bundle.read_manifest(digits).files["model.tflite"].sha256
    with pytest.raises(HashMismatch, match=rf"model\.tflite has SHA-256 .*says {wanted}"):
        bundle.load(digits)


def test_names_both_sizes_of_a_truncated_file(digits: Path) -> None:
    model = digits / "model.tflite"
    size = model.stat().st_size
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(HashMismatch, match=f"has 100 bytes; the manifest says {size}"):
        bundle.load(digits)


def test_names_a_missing_file(digits: Path) -> None:
    (digits / "labels.txt").unlink()
    with pytest.raises(BundleError, match=r"labels\.txt is missing"):
        bundle.load(digits)


def test_refuses_a_newer_schema_before_anything_else(digits: Path) -> None:
    change(digits, lambda table: table.update(schema_version=2, surprise=True))
    with pytest.raises(BundleError, match="schema version 2; this twite reads up to 1"):
        bundle.load(digits)


@pytest.mark.parametrize(
    "name",
    ["../model.tflite", "/etc/passwd", "a/../../b", "a//b", "./a", "a\\b", "", "bundle.json"],
)
def test_refuses_a_name_that_could_leave_the_bundle(digits: Path, name: str) -> None:
    def edit(table: dict[str, Any]) -> None:
        table["files"][name] = table["files"]["model.tflite"]

    change(digits, edit)
    with pytest.raises(BundleError, match="stays in the bundle"):
        bundle.load(digits)


def test_refuses_a_link_to_a_file_elsewhere(digits: Path, tmp_path: Path) -> None:
    labels = digits / "labels.txt"
    labels.rename(tmp_path / "labels.txt")
    labels.symlink_to(tmp_path / "labels.txt")
    with pytest.raises(BundleError, match="is a link"):
        bundle.load(digits)


def test_refuses_a_model_that_no_hash_covers(digits: Path) -> None:
    change(digits, lambda table: table.update(model="other.tflite"))
    with pytest.raises(BundleError, match=r"names 'other\.tflite', which its 'files' do not list"):
        bundle.load(digits)


def test_suggests_the_key_that_was_meant(digits: Path) -> None:
    change(digits, lambda table: table.update(mesurements={}))
    with pytest.raises(BundleError, match="'mesurements'; did you mean 'measurements'"):
        bundle.load(digits)


def test_refuses_labels_that_do_not_fit_the_output(digits: Path, tmp_path: Path) -> None:
    contents = {**contents_of(digits), "labels.txt": b"one\ntwo\n"}
    bundle.write(tmp_path / "short", bundle.read_manifest(digits), contents)
    with pytest.raises(BundleError, match="has 2 labels"):
        bundle.load(tmp_path / "short")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "zip"}', b"[" * 100_000])
def test_refuses_a_manifest_that_is_none(digits: Path, content: bytes) -> None:
    (digits / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        bundle.load(digits)


def test_says_what_a_bundle_is_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no bundle\.json"):
        bundle.load(tmp_path)
    with pytest.raises(BundleError, match="is not there"):
        bundle.load(tmp_path / "nothing")


def test_never_runs_code_from_a_pickled_golden_sample(digits: Path, tmp_path: Path) -> None:
    manifest, contents = bundle.read_manifest(digits), contents_of(digits)
    file = next(iter(manifest.golden.inputs.values()))
    evil = tmp_path / "evil.npy"
    np.save(evil, np.array([print], dtype=object), allow_pickle=True)
    bundle.write(tmp_path / "evil", manifest, {**contents, file: evil.read_bytes()})
    with pytest.raises(BundleError, match=r"is not an \.npy file"):
        bundle.load(tmp_path / "evil").golden_inputs()


def test_replaces_a_bundle_only_when_told_to(digits: Path) -> None:
    manifest, contents = bundle.read_manifest(digits), contents_of(digits)
    with pytest.raises(BundleError, match="--force"):
        bundle.write(digits, manifest, contents)
    bundle.write(digits, manifest._replace(version="2"), contents, replace=True)
    assert bundle.load(digits).manifest.version == "2"
    assert [entry.name for entry in digits.parent.iterdir()] == ["digits"]


def test_never_replaces_a_folder_that_is_no_bundle(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with pytest.raises(BundleError, match="is not a bundle"):
        bundle.write(
            tmp_path / "home", bundle.read_manifest(digits), contents_of(digits), replace=True
        )


def test_leaves_nothing_when_writing_fails(digits: Path, tmp_path: Path) -> None:
    contents = {**contents_of(digits), "x" * 300: b"too long a name for any file system"}
    with pytest.raises(OSError, match="too long"):
        bundle.write(tmp_path / "new", bundle.read_manifest(digits), contents)
    assert [entry.name for entry in tmp_path.iterdir()] == ["digits"]
