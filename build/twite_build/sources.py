"""Sources: what a recipe's [source] names, checked before anything slow starts.

A source is a file, a folder (SavedModel), a function of a Python file (`net.py:make`), or a name
of `keras.applications`. Code is run by some of them, and then only in the converter's process: a
Python file is the user's own and named as such; a pickle is code in disguise and must be trusted.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from twite.errors import UsageError
from twite_build.errors import SourceError
from twite_build.recipe import RecipeFile, Source, SourceKind

APPLICATIONS = "keras.applications"
TORCHSCRIPT = (".pt", ".pth", ".ts", ".torchscript")


class Kind(NamedTuple):
    """keys are those of [source] that this kind understands, besides `kind` and `file`."""

    suffixes: tuple[str, ...]
    keys: tuple[str, ...] = ()

    @property
    def takes_functions(self) -> bool:
        return "function" in self.keys


KINDS: dict[SourceKind, Kind] = {
    "keras": Kind((".keras", ".h5", ".hdf5"), ("function", "weights")),
    "savedmodel": Kind((), ("signature", "signatures")),
    "torch": Kind((".pt2",), ("function", "input_layout", "inputs", "outputs")),
    "sklearn": Kind((".joblib", ".pkl", ".pickle")),
    "jax": Kind((), ("function", "inputs", "outputs")),
    "onnx": Kind((".onnx",), ("input_layout",)),
    "tflite": Kind((".tflite",), ("signature", "signatures")),
}


class Origin(NamedTuple):
    """A checked source: function is set for Python files, and the NAME of `keras.applications`."""

    kind: SourceKind
    path: Path
    source: Source

    @property
    def sha256(self) -> str:
        """Of the file; of all names and contents of a folder; of the name where there is none."""
        if self.path.is_dir():
            return _folder_sha256(self.path)
        named = self.path.is_file()
        content = self.path.read_bytes() if named else self.source.file.encode()
        return hashlib.sha256(content).hexdigest()


def read_source(file: RecipeFile, *, trust_pickle: bool) -> Origin:
    """Raise SourceError for a source that is not there or that no converter reads, and UsageError
    for a pickle that nobody trusts."""
    source = file.recipe.source
    name, _, function = source.file.rpartition(":")
    if name and "/" not in function and function.isidentifier():
        if source.function is not None:
            raise SourceError(f"[source] names a function twice: '{function}' and in 'function'")
        source = source._replace(file=name, function=function)
    path = file.resolve(source.file)
    kind = source.kind or _kind_of(path, source)
    _check_keys(kind, source)
    if source.file != APPLICATIONS:
        _check_file(kind, path, source)
    if kind == "sklearn" and not trust_pickle:
        raise UsageError(
            f"{path} is a pickle, and loading one runs whatever code is in it; if you made it or "
            "trust who did, add --trust-pickle"
        )
    layout = source.input_layout
    if layout is None and "input_layout" in KINDS[kind].keys:
        layout = "nhwc" if file.recipe.preprocess.kind == "image" else "native"
    return Origin(kind, path, source._replace(kind=kind, input_layout=layout))


def _kind_of(path: Path, source: Source) -> SourceKind:
    if source.file == APPLICATIONS:
        return "keras"
    if path.is_dir() and (path / "saved_model.pb").exists():
        return "savedmodel"
    for kind, what in KINDS.items():
        if path.suffix.lower() in what.suffixes:
            return kind
    if path.suffix.lower() in TORCHSCRIPT:
        raise SourceError(_not_torchscript(path))
    known = ", ".join(f'"{kind}"' for kind in KINDS)
    raise SourceError(f"{path} does not say by its name what it is; write [source] kind, {known}")


def _check_keys(kind: SourceKind, source: Source) -> None:
    given = {name for name, value in source._asdict().items() if value not in (None, ())}
    for key in sorted(given - {"kind", "file"}):
        if key not in KINDS[kind].keys:
            known = ", ".join(KINDS[kind].keys) or "none beside kind and file"
            raise SourceError(f"[source] {key} is not for '{kind}'; known are {known}")
    _check_signatures(source)
    if source.file == APPLICATIONS and not source.function:
        raise SourceError(f'[source] file lacks the model\'s name: "{APPLICATIONS}:MobileNetV2"')
    if source.weights is not None and source.file != APPLICATIONS:
        raise SourceError(f"[source] weights is for {APPLICATIONS} only; a file has its own")


def _check_signatures(source: Source) -> None:
    named = source.signatures
    if len(set(named)) < len(named) or "" in named:
        raise SourceError(f"[source] signatures is {[*named]}; each is named once")
    if named and source.signature not in (None, *named):
        raise SourceError(
            f"[source] signature is '{source.signature}', which is not in signatures, {[*named]}"
        )


def _check_file(kind: SourceKind, path: Path, source: Source) -> None:
    if not path.exists():
        raise SourceError(f"{path} is not there; train the model first")
    if path.is_dir() != (kind == "savedmodel"):
        wanted = "a folder with saved_model.pb" if kind == "savedmodel" else "a file"
        raise SourceError(f"{path} is {_what(path)}; a source of kind '{kind}' is {wanted}")
    if path.is_dir() and not (path / "saved_model.pb").exists():
        raise SourceError(f"{path} holds no saved_model.pb; name the folder that does")
    if source.function is not None and path.suffix != ".py":
        raise SourceError(f"{path} has no function '{source.function}'; that is for a .py file")
    if path.suffix == ".py" and source.function is None:
        raise SourceError(f'{path} needs the name of its function: file = "{source.file}:make"')
    if kind == "torch" and path.suffix.lower() in TORCHSCRIPT:
        raise SourceError(_not_torchscript(path))
    suffixes = (*KINDS[kind].suffixes, *((".py",) if KINDS[kind].takes_functions else ()))
    if kind != "savedmodel" and path.suffix.lower() not in suffixes:
        raise SourceError(f"{path} is no source of kind '{kind}'; its are {', '.join(suffixes)}")


def _what(path: Path) -> str:
    return "a folder" if path.is_dir() else "a file"


def _not_torchscript(path: Path) -> str:
    return (
        f"{path} is TorchScript or bare weights, which no converter reads; write torch.export.save("
        'torch.export.export(model, (example,)), "model.pt2"), or a function that returns the '
        'nn.Module: file = "model.py:make"'
    )


def _folder_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{content}  {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()
