"""What a recipe's [source] may name, and what is refused before anything slow starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from twite.errors import TwiteError, UsageError
from twite_build.errors import SourceError
from twite_build.recipe import read_recipe
from twite_build.sources import Origin, read_source

Named = Callable[..., Origin]


@pytest.fixture
def named(write_recipe: Callable[..., Path], tmp_path: Path) -> Named:
    """Read the source of a recipe whose [source] holds these lines."""
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "empty").mkdir()
    for name in ("model.keras", "net.py", "m.pt2", "m.pt", "m.joblib", "m.onnx", "m.tflite", "m.x"):
        (tmp_path / name).write_bytes(b"content")

    def read(lines: str, kind: str = "number", *, trust_pickle: bool = False) -> Origin:
        path = write_recipe(kind, ('kind = "keras"\nfile = "model.keras"', lines))
        return read_source(read_recipe(path), trust_pickle=trust_pickle)

    return read


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("model.keras", "keras"),
        ("saved", "savedmodel"),
        ("m.pt2", "torch"),
        ("m.joblib", "sklearn"),
        ("m.onnx", "onnx"),
        ("m.tflite", "tflite"),
        ("keras.applications:MobileNetV2", "keras"),
    ],
)
def test_the_name_says_the_kind(named: Named, file: str, kind: str) -> None:
    assert named(f'file = "{file}"', trust_pickle=True).kind == kind


def test_a_function_is_named_behind_its_file(named: Named) -> None:
    origin = named('kind = "torch"\nfile = "net.py:make"')
    assert (origin.path.name, origin.source.function) == ("net.py", "make")
    apart = named('kind = "torch"\nfile = "net.py"\nfunction = "make"')
    assert apart == origin


def test_pictures_come_channels_last_unless_told(named: Named) -> None:
    assert named('file = "m.onnx"').source.input_layout == "native"
    assert named('file = "m.onnx"', "quadrants").source.input_layout == "nhwc"
    kept = named('file = "m.onnx"\ninput_layout = "native"', "quadrants")
    assert kept.source.input_layout == "native"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('file = "gone.keras"', "gone.keras is not there; train the model first"),
        ('file = "m.x"', "m.x does not say by its name what it is; write [source] kind"),
        ('file = "m.pt"', "m.pt is TorchScript or bare weights"),
        ('kind = "torch"\nfile = "m.pt"', "write torch.export.save("),
        ('kind = "torch"\nfile = "net.py"', 'needs the name of its function: file = "net.py:make"'),
        ('kind = "keras"\nfile = "m.onnx"', "m.onnx is no source of kind 'keras'"),
        ('kind = "savedmodel"\nfile = "empty"', "empty holds no saved_model.pb"),
        ('kind = "keras"\nfile = "saved"', "saved is a folder; a source of kind 'keras' is a file"),
        ('file = "m.onnx"\nsignature = "a"', "[source] signature is not for 'onnx'"),
        ('file = "model.keras"\nweights = "random"', "weights is for keras.applications only"),
        ('file = "model.keras"\nfunction = "make"', "model.keras has no function 'make'"),
        ('kind = "jax"\nfile = "net.py:a"\nfunction = "b"', "names a function twice"),
    ],
)
def test_refuses_what_cannot_be_converted(named: Named, lines: str, message: str) -> None:
    with pytest.raises(SourceError) as refused:
        named(lines)
    assert message in str(refused.value)


def test_a_pickle_must_be_trusted(named: Named) -> None:
    with pytest.raises(UsageError, match="loading one runs whatever code is in it.*--trust-pickle"):
        named('file = "m.joblib"')


def test_the_hash_of_a_folder_changes_with_names_and_contents(named: Named, tmp_path: Path) -> None:
    before = named('file = "saved"').sha256
    (tmp_path / "saved" / "more").write_bytes(b"")
    after = named('file = "saved"').sha256
    (tmp_path / "saved" / "more").write_bytes(b"1")
    assert len({before, after, named('file = "saved"').sha256}) == 3


def test_every_refusal_is_one_line(named: Named) -> None:
    with pytest.raises(TwiteError) as refused:
        named('file = "m.x"')
    assert "\n" not in str(refused.value)
