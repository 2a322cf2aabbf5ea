"""The bundle, version 1: a directory that holds a model and all that is needed to serve it.

    digits/
    ├── bundle.json          the manifest: UTF-8 JSON, twite.manifest.Manifest
    ├── model.tflite         the model
    ├── labels.txt           class names, one a line (classes only)
    ├── golden/in.NAME.npy   decoded inputs of the golden samples, (count, ...)
    ├── golden/out.NAME.npy  the raw outputs that the verified model gave, (count, ...)
    └── report.json, report.html

Every file but the manifest has its SHA-256 and size in `files`, and nothing else is read. Names
are relative, with `/`, and cannot leave the directory. A bundle is written beside its target and
renamed. Loading one reads data and never runs code. docs/bundle.md is the specification.
"""

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from twite.digest import hasher
from twite.errors import BundleError, HashMismatch, VerificationFailed
from twite.fields import from_table, to_table
from twite.frames import Scene
from twite.manifest import (
    SCHEMA_VERSION,
    BoxPostprocessing,
    ClassPostprocessing,
    FileEntry,
    ImagePreprocessing,
    Manifest,
)
from twite.signatures import check_names, find, views
from twite.tensors import Array, Tensors, TensorSpec

MANIFEST = "bundle.json"
FORMAT = "twite-bundle"


class Bundle(NamedTuple):
    """A bundle whose every file has the hash that its manifest promises."""

    path: Path
    manifest: Manifest
    labels: tuple[str, ...]

    @property
    def model_path(self) -> Path:
        return self.path / self.manifest.model

    @property
    def signature(self) -> str | None:
        """The name of the model's signature that this is; None where the model has but one."""
        return self.manifest.signatures.main if self.manifest.signatures else None

    def view(self, signature: str) -> "Bundle":
        """This bundle as that signature of it alone; raises NotFound."""
        manifest = find(self.manifest, signature)
        return self if manifest is self.manifest else Bundle(self.path, manifest, ())

    def golden_inputs(self) -> Tensors:
        """Decoded inputs of the golden samples, (count, ...) each."""
        golden = self.manifest.golden
        return {
            spec.name: _read_golden(self.path, golden.inputs[spec.name], golden.count)
            for spec in self.manifest.inputs
        }

    def scene(self) -> Scene | None:
        """What a detector's boxes are relative to; None where the bundle answers no boxes."""
        how, image = self.manifest.postprocessing, self.manifest.preprocessing
        if not isinstance(how, BoxPostprocessing) or not isinstance(image, ImagePreprocessing):
            return None
        return Scene(_read_anchors(self.path / how.anchors, self.manifest, how), image)

    def golden_outputs(self) -> Tensors:
        """Raw outputs that the verified model gave for the golden inputs, (count, ...) each."""
        golden = self.manifest.golden
        return {
            spec.name: _read_golden(self.path, golden.outputs[spec.name], golden.count)
            for spec in self.manifest.outputs
        }


def load(path: Path) -> Bundle:
    """Read the bundle at path and check every file's size and hash.

    Raises BundleError when it is incomplete or malformed, HashMismatch when a file is not the
    one that was verified.
    """
    manifest = read_manifest(path)
    for name, entry in manifest.files.items():
        _check_file(path, name, entry)
    return Bundle(path, manifest, _read_labels(path, manifest))


def read_manifest(path: Path) -> Manifest:
    """Parse and check `bundle.json` alone; the other files are not looked at."""
    table = _read_json(path)
    _check_version(path, table)
    where = str(path / MANIFEST)
    manifest = from_table(Manifest, table, where, BundleError)
    for name in manifest.files:
        _check_name(where, name)
    for name in _named_files(manifest):
        if name not in manifest.files:
            raise BundleError(f"{where} names '{name}', which its 'files' do not list")
    check_names(where, manifest)
    for each in views(manifest):
        _check_tensors(where, each)
    return manifest


def write(
    target: Path, manifest: Manifest, contents: Mapping[str, bytes], *, replace: bool = False
) -> Manifest:
    """Write a bundle of contents (name to bytes) at target and return its manifest.

    `manifest.files` is computed here. A bundle at target is replaced when replace is true; a folder
    that is no bundle never is. Until the last rename, target is as it was; a power cut leaves the
    old bundle or the new one.
    """
    for name in contents:
        _check_name(str(target), name)
    _check_target(target, replace)
    files = {name: _entry(contents[name]) for name in sorted(contents)}
    manifest = manifest._replace(files=files)
    text = json.dumps(to_table(manifest), indent=2, ensure_ascii=False) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    with _folder_beside(target) as folder:
        for name, content in {**contents, MANIFEST: text.encode()}.items():
            _write_file(folder / name, content)
        read_manifest(folder)
        for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            _sync(place)
        _swap(folder, target)
        _sync(target.parent)
    return manifest


def npy(array: Array) -> bytes:
    """The bytes of a `.npy` file, format 1.0, C order."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def _read_json(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        table = json.loads(file.read_bytes())
    except FileNotFoundError:
        what = "has no bundle.json" if path.is_dir() else "is not there"
        raise BundleError(
            f"{path} {what}; a bundle is the folder that `twite build` writes"
        ) from None
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file} is not JSON: {error}; build the bundle again") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        came = table.get("format") if isinstance(table, dict) else type(table).__name__
        raise BundleError(f"{file} has format {came!r}; a bundle has {FORMAT!r}")
    return table


def _check_version(path: Path, table: dict[str, Any]) -> None:
    came = table.get("schema_version")
    if type(came) is int and came > SCHEMA_VERSION:
        raise BundleError(
            f"{path / MANIFEST} has schema version {came}; this twite reads up to "
            f"{SCHEMA_VERSION}: install a newer twite or build the bundle again"
        )
    if came != SCHEMA_VERSION:
        raise BundleError(f"{path / MANIFEST} has schema version {came!r}; it must be 1")


def _check_name(where: str, name: str) -> None:
    parts = PurePosixPath(name).parts
    clean = name == "/".join(parts) and not name.startswith("/") and "\\" not in name
    if not parts or not clean or ".." in parts or "\0" in name or name == MANIFEST:
        raise BundleError(
            f"{where} names the file {name!r}; a name is relative, uses '/' and stays in the bundle"
        )


def _named_files(manifest: Manifest) -> Iterator[str]:
    yield manifest.model
    yield from (companion.model for companion in manifest.companions)
    for each in views(manifest):
        yield from each.golden.inputs.values()
        yield from each.golden.outputs.values()
    if isinstance(manifest.postprocessing, ClassPostprocessing):
        yield manifest.postprocessing.labels
    if isinstance(manifest.postprocessing, BoxPostprocessing):
        yield manifest.postprocessing.anchors


def _check_tensors(where: str, manifest: Manifest) -> None:
    """Every tensor that a stage or a golden sample names must be one of the model's."""
    inputs = {spec.name for spec in manifest.inputs}
    outputs = {spec.name for spec in manifest.outputs}
    _check_known(where, "preprocessing", getattr(manifest.preprocessing, "input", None), inputs)
    how = manifest.postprocessing
    for key in ("output", "boxes", "scores"):
        _check_known(where, "postprocessing", getattr(how, key, None), outputs)
    if isinstance(how, BoxPostprocessing) and manifest.preprocessing.kind != "image":
        raise BundleError(
            f"{where} answers boxes from '{manifest.preprocessing.kind}'; they need preprocessing "
            "of kind 'image'"
        )
    golden = manifest.golden
    if inputs != set(golden.inputs):
        _differ(where, "golden inputs", set(golden.inputs), inputs)
    for kind, names in (("golden outputs", golden.outputs), ("tolerances", golden.tolerance)):
        if outputs != set(names):
            _differ(where, kind, set(names), outputs)
    if golden.count < 1:
        raise BundleError(f"{where} has {golden.count} golden samples; a bundle has at least 1")


def _check_known(where: str, stage: str, name: str | None, known: set[str]) -> None:
    if name is not None and name not in known:
        raise BundleError(
            f"{where} {stage} names the tensor '{name}'; the model has {', '.join(sorted(known))}"
        )


def _differ(where: str, kind: str, came: set[str], wanted: set[str]) -> None:
    raise BundleError(
        f"{where} has {kind} for {', '.join(sorted(came)) or 'nothing'}; "
        f"the model has {', '.join(sorted(wanted))}"
    )


def _check_file(path: Path, name: str, entry: FileEntry) -> None:
    file = path / name
    if file.is_symlink() or not file.resolve().is_relative_to(path.resolve()):
        raise BundleError(f"{file} is a link; a bundle holds plain files only")
    try:
        size = file.stat().st_size
        digest = _sha256(file, size)
    except FileNotFoundError:
        raise BundleError(f"{file} is missing; copy or build the bundle again") from None
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from error
    if size != entry.size_bytes:
        raise HashMismatch(
            f"{file} has {size} bytes; the manifest says {entry.size_bytes}: "
            "it was truncated or changed, copy or build the bundle again"
        )
    if digest != entry.sha256:
        raise HashMismatch(
            f"{file} has SHA-256 {digest}; the manifest says {entry.sha256}: "
            "it was changed, copy or build the bundle again"
        )


def _sha256(file: Path, size: int) -> str:
    digest = hasher(size)
    with file.open("rb", buffering=0) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return str(digest.hexdigest())


def _entry(content: bytes) -> FileEntry:
    digest = hasher(len(content))
    digest.update(content)
    return FileEntry(digest.hexdigest(), len(content))


def _read_labels(path: Path, manifest: Manifest) -> tuple[str, ...]:
    how = manifest.postprocessing
    if not isinstance(how, ClassPostprocessing):
        return ()
    labels = tuple((path / how.labels).read_text("utf-8").splitlines())
    output = _output(manifest, how.output)
    if output.shape[-1:] != (len(labels),):
        raise BundleError(
            f"{path / how.labels} has {len(labels)} labels; output '{how.output}' is {output}"
        )
    return labels


def _output(manifest: Manifest, name: str) -> TensorSpec:
    return next(spec for spec in manifest.outputs if spec.name == name)


def _read_anchors(file: Path, manifest: Manifest, how: BoxPostprocessing) -> Array:
    anchors, boxes = _read_npy(file), _output(manifest, how.boxes)
    count = boxes.shape[1] if len(boxes.shape) == 3 else -1
    if anchors.dtype != np.float32 or anchors.shape != (count, 4) or boxes.shape[2] < 4:
        raise BundleError(
            f"{file} is {anchors.shape} {anchors.dtype}; output '{how.boxes}' is {boxes} and needs "
            "float32 anchors, one row of 4 each"
        )
    return anchors


def _read_npy(file: Path) -> Array:
    try:
        array: Array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BundleError(f"{file} is not an .npy file: {error}") from error
    return array


def _read_golden(path: Path, name: str, count: int) -> Array:
    array = _read_npy(path / name)
    if array.shape[:1] != (count,):
        raise VerificationFailed(
            f"{path / name} holds {array.shape[:1]} samples; the manifest says {count}"
        )
    return array


def _check_target(target: Path, replace: bool) -> None:
    if not target.exists():
        return
    if not (target / MANIFEST).is_file():
        raise BundleError(f"{target} is there and is not a bundle; name another folder")
    if not replace:
        raise BundleError(f"{target} is there; replace it with --force or name another folder")


@contextmanager
def _folder_beside(target: Path) -> Iterator[Path]:
    # Only writing needs these; they would cost every start of a server.
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_file(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    """Let the names in a folder reach the disk, as fsync of a file does with its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(folder: Path, target: Path) -> None:
    """Put folder at target; a bundle that stands there takes its place, in one step if it can."""
    if not target.exists():
        folder.rename(target)
    elif not _exchange(folder, target):
        _step_aside(folder, target)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change names at once, as renameat2(2) can on most file systems."""
    import ctypes

    try:
        rename = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    here, exchange = -100, 2
    done: int = rename(here, os.fsencode(one), here, os.fsencode(other), exchange)
    return done == 0


def _step_aside(folder: Path, target: Path) -> None:
    with _folder_beside(target) as aside:
        target.rename(aside / target.name)
        try:
            folder.rename(target)
        except OSError:
            (aside / target.name).rename(target)
            raise
