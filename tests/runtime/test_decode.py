import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import twite
from twite.decode import Decoded, RequestFormat, decode, request_format
from twite.errors import RequestError, UnsupportedMedia
from twite.manifest import (
    FeaturePreprocessing,
    Golden,
    ImagePreprocessing,
    Manifest,
    Preprocessing,
    Provenance,
    TensorPostprocessing,
    TensorPreprocessing,
)
from twite.tensors import DType, TensorSpec

JSON = "application/json"
TOO_DEEP = (
    "the body is JSON nested too deep to be a tensor: 32 levels are the most (TWITE_MAX_JSON_DEPTH)"
)
ROWS = RequestFormat((TensorSpec("x", "float32", (-1, 3)),))
PAIR = RequestFormat(
    (TensorSpec("a", "float32", (-1, 2)), TensorSpec("b", "int32", (-1,))),
)
PIXELS = RequestFormat((TensorSpec("x", "uint8", (-1, 2, 2, 1)),))
IMAGE = RequestFormat(
    (TensorSpec("x", "uint8", (-1, 2, 2, 1)),),
    image=ImagePreprocessing(kind="image", input="x", height=2, width=2, channels=1),
)


def one(dtype: DType, *shape: int, nonfinite_allowed: bool = False) -> RequestFormat:
    spec = TensorSpec("x", dtype, (-1, *shape))
    return RequestFormat((spec,), nonfinite_allowed=nonfinite_allowed)


def send(value: object, wanted: RequestFormat = ROWS) -> Decoded:
    return decode(json.dumps(value).encode(), JSON, wanted)


def refusal(body: bytes | object, wanted: RequestFormat = ROWS) -> str:
    """The message that a body is refused with; anything but bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestError) as refused:
        decode(raw, JSON, wanted)
    return str(refused.value)


def test_a_row_is_one_sample() -> None:
    request = send({"features": [5.1, 3.5, 0.2]})
    assert not request.is_batch
    assert request.tensors["x"].dtype == np.float32
    np.testing.assert_array_equal(request.tensors["x"], np.array([[5.1, 3.5, 0.2]], np.float32))


def test_rows_are_a_batch() -> None:
    request = send({"features": [[1, 2, 3], [4, 5, 6]]})
    assert request.is_batch
    np.testing.assert_array_equal(
        request.tensors["x"], np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    )


def test_a_batch_of_one_stays_a_batch() -> None:
    assert send({"features": [[1, 2, 3]]}).is_batch


def test_a_batch_is_taken_by_a_model_whose_batch_is_one() -> None:
    wanted = RequestFormat((TensorSpec("x", "float32", (1, 2)),))
    assert send({"features": [[1, 2], [3, 4]]}, wanted).tensors["x"].shape == (2, 2)


def test_a_model_without_batch_takes_its_shape_only() -> None:
    wanted = RequestFormat((TensorSpec("x", "float32", (2, 3)),))
    request = send({"features": [[1, 2, 3], [4, 5, 6]]}, wanted)
    assert request.tensors["x"].shape == (2, 3)
    assert refusal({"features": [1, 2, 3]}, wanted) == (
        "features is (3,); the model takes (2, 3) float32"
    )


def test_one_number_is_one_sample_of_a_model_that_takes_numbers() -> None:
    request = send({"features": 7}, one("float32"))
    assert (request.tensors["x"].shape, request.is_batch) == ((1,), False)
    assert send({"features": [7, 8]}, one("float32")).is_batch


def test_a_variable_dimension_takes_any_size() -> None:
    assert send({"features": [[1, 2], [3, 4]]}, one("float32", -1)).tensors["x"].shape == (2, 2)
    assert refusal({"features": [[1, 2], [3]]}, one("float32", -1)) == (
        "features[1] has 1 entries; it must have 2"
    )


def test_a_row_can_name_its_columns_in_any_order() -> None:
    wanted = RequestFormat(ROWS.inputs, columns=("length", "width", "height"))
    row = {"height": 3, "length": 1, "width": 2}
    request = send({"features": row}, wanted)
    assert not request.is_batch
    np.testing.assert_array_equal(request.tensors["x"], np.array([[1, 2, 3]], np.float32))
    assert send({"features": [row, row]}, wanted).tensors["x"].shape == (2, 3)
    assert send({"features": [[1, 2, 3]]}, wanted).is_batch


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": 1}, "features lacks the column 'b'"),
        ([{"a": 1, "b": 2}, {"a": 1}], "features[1] lacks the column 'b'"),
        ({"a": 1, "b": 2, "bb": 3}, "features has an unknown column 'bb'; did you mean 'b'?"),
        ({"a": 1, "b": None}, "features.b is null; it must be a number"),
        ([{"a": 1, "b": True}], "features[0].b is true; it must be a number"),
        ({"a": 1, "b": "2"}, "features.b is the text '2'; it must be a number"),
        (
            [{"a": 1, "b": 2}, [1, 2]],
            "features[1] is a list of 2; it must be an object, as the others",
        ),
    ],
)
def test_refuses_rows_that_are_not_the_columns(rows: object, message: str) -> None:
    wanted = RequestFormat((TensorSpec("x", "float32", (-1, 2)),), columns=("a", "b"))
    assert refusal({"features": rows}, wanted) == message


def test_inputs_go_by_name() -> None:
    request = send({"inputs": {"b": [7, 8], "a": [[1, 2], [3, 4]]}}, PAIR)
    assert request.is_batch
    np.testing.assert_array_equal(request.tensors["a"], np.array([[1, 2], [3, 4]], np.float32))
    np.testing.assert_array_equal(request.tensors["b"], np.array([7, 8], np.int32))


def test_inputs_without_batch_are_one_sample() -> None:
    request = send({"inputs": {"a": [1, 2], "b": 7}}, PAIR)
    assert not request.is_batch
    assert {name: array.shape for name, array in request.tensors.items()} == {
        "a": (1, 2),
        "b": (1,),
    }


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([[1, 2]], 'inputs is a list of 1; send {"inputs": {"a": [[...]], "b": [[...]]}}'),
        ({"a": [1, 2]}, "inputs lacks the input 'b'"),
        ({}, "inputs lacks the input 'a', 'b'"),
        ({"a": [1, 2], "B": 1}, "inputs has an unknown input 'B'; known are a, b"),
        (
            {"a": [[1, 2]], "b": [7, 8]},
            "the inputs differ in their number of samples: 'a' 1, 'b' 2",
        ),
        (
            {"a": [1, 2], "b": [7]},
            "the inputs differ in their number of samples: 'a' no batch, 'b' 1",
        ),
        ({"a": [1, None], "b": 7}, "input 'a'[1] is null; it must be a number"),
        ({"a": ["1", 2], "b": 7}, "input 'a'[0] is the text '1'; it must be a number"),
    ],
)
def test_refuses_inputs_that_are_not_the_models(inputs: object, message: str) -> None:
    assert refusal({"inputs": inputs}, PAIR) == message


def test_features_are_for_models_of_one_input() -> None:
    assert refusal({"features": [1, 2]}, PAIR).startswith(
        "'features' is for models of one input; this one has a, b"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty; it must be a JSON object"),
        (b" \n", "the body is empty; it must be a JSON object"),
        (b'{"features": [1, x]}', "the body is not JSON: Expecting value at line 1, column 18"),
        (
            b'{"features":\n [1 2]}',
            "the body is not JSON: Expecting ',' delimiter at line 2, column 5",
        ),
        (b"\xff\xfe{}", "the body is not JSON: byte 0 is not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, TOO_DEEP),
        (b'{"a":' * 100_000 + b"}" * 100_000, TOO_DEEP),
    ],
)
def test_refuses_what_is_not_json(body: bytes, message: str) -> None:
    assert refusal(body) == message


def test_refuses_a_number_with_more_digits_than_can_be_read() -> None:
    message = refusal(b'{"features": [1, 2, %s]}' % (b"9" * 5000))
    assert message.startswith("the body holds a number that cannot be read: ")


@pytest.mark.parametrize(
    ("body", "came"),
    [(b"[1, 2, 3]", "a list of 3"), (b"1", "1"), (b'"x"', "the text 'x'"), (b"null", "null")],
)
def test_refuses_json_that_is_no_object(body: bytes, came: str) -> None:
    assert refusal(body).startswith(f'the body is {came}; it must be {{"features": [[...]]}}')


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "the body has neither 'features' nor 'inputs'; it must be "),
        ({"features": [1], "inputs": {}}, "the body has both 'features' and 'inputs'; it must be "),
        ({"feature": [1]}, "the body has an unknown key 'feature'; did you mean 'features'?"),
        ({"features": [1], "top_k": 3}, "the body has an unknown key 'top_k'; known are "),
        ({"\ud800": 1}, "the body has an unknown key '\\ud800'; known are "),
    ],
)
def test_refuses_the_wrong_keys(table: object, message: str) -> None:
    assert refusal(table).startswith(message)


def test_pixels_can_come_as_features() -> None:
    pixels = [[[0], [128]], [[255], [3]]]
    request = send({"features": pixels}, IMAGE)
    assert (request.tensors["x"].dtype, request.is_batch) == (np.dtype("uint8"), False)
    np.testing.assert_array_equal(request.tensors["x"], np.array([pixels], np.uint8))


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("text/plain", "the content type 'text/plain' came; this bundle takes "),
        ("", "no content type came; this bundle takes "),
        (
            "application/x-unknown",
            "the content type 'application/x-unknown' came; this bundle takes ",
        ),
        ("application/jsonx", "the content type 'application/jsonx' came; this bundle takes "),
    ],
)
def test_names_the_content_types_that_the_bundle_takes(content_type: str, message: str) -> None:
    with pytest.raises(UnsupportedMedia) as refused:
        decode(b"{}", content_type, IMAGE)
    assert str(refused.value).startswith(message)
    assert str(refused.value).endswith(
        "application/json, multipart/form-data, image/*, application/x-npy"
    )


@pytest.mark.parametrize("content_type", ["image/png", "multipart/form-data; boundary=x"])
def test_a_bundle_without_pictures_refuses_them(content_type: str) -> None:
    with pytest.raises(UnsupportedMedia, match="this bundle takes application/json, application"):
        decode(b"x", content_type, ROWS)


def test_only_json_carries_several_inputs() -> None:
    with pytest.raises(UnsupportedMedia, match=r"this bundle takes application/json$"):
        decode(b"x", "application/x-npy", PAIR)


def test_reads_json_whatever_the_case_and_parameters_of_its_type() -> None:
    assert decode(b'{"features": [1, 2, 3]}', "Application/JSON; charset=utf-8", ROWS).tensors


@pytest.mark.parametrize("content_type", ["image/png", "multipart/form-data", "application/x-npy"])
def test_refuses_an_empty_body(content_type: str) -> None:
    with pytest.raises(RequestError, match="the body is empty; it must hold"):
        decode(b"", content_type, IMAGE)


def manifest(how: Preprocessing, *inputs: TensorSpec) -> Manifest:
    return Manifest(
        format="twite-bundle",
        schema_version=1,
        name="m",
        version="1",
        quantization="fp32",
        inputs=inputs,
        outputs=(TensorSpec("y", "float32", (-1, 1)),),
        preprocessing=how,
        postprocessing=TensorPostprocessing("tensors"),
        files={},
        golden=Golden(0, {}, {}, {}),
        engines=(),
        provenance=Provenance("", "", "", {}),
        measurements={},
    )


def test_a_picture_decodes_to_bytes_and_the_rest_to_the_models_own() -> None:
    how = ImagePreprocessing(kind="image", input="x", height=8, width=4, channels=3)
    wanted = request_format(manifest(how, TensorSpec("x", "float32", (1, 8, 4, 3))))
    assert wanted.inputs == (TensorSpec("x", "uint8", (-1, 8, 4, 3)),)
    assert wanted.image == how


def test_the_format_takes_columns_and_nan_from_the_manifest() -> None:
    spec = TensorSpec("x", "float32", (-1, 2))
    features = FeaturePreprocessing("features", "x", columns=("a", "b"), nonfinite="allow")
    assert request_format(manifest(features, spec)) == RequestFormat(
        (spec,), None, ("a", "b"), True, row=("x", 2)
    )
    tensors = TensorPreprocessing("tensors")
    assert request_format(manifest(tensors, spec)) == RequestFormat(
        (spec,), None, (), False, row=("x", 2)
    )


def run_without(packages: set[str], folder: Path, code: str) -> str:
    """The output of code in an interpreter that has all of this one's packages but those."""
    for entry in Path(np.__file__).parents[1].iterdir():
        if entry.name not in packages:
            (folder / entry.name).symlink_to(entry)
    paths = [str(Path(twite.__file__).parents[1]), str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("content_type", ["image/png", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("missing", ["PIL", "python_multipart"])
def test_says_what_to_install_when_pictures_cannot_be_read(
    tmp_path: Path, content_type: str, missing: str
) -> None:
    code = f"""
from twite.decode import RequestFormat, decode
from twite.errors import UnsupportedMedia
from twite.manifest import ImagePreprocessing
from twite.tensors import TensorSpec
image = ImagePreprocessing(kind="image", input="x", height=2, width=2, channels=1)
try:
    decode(b"x", {content_type!r}, RequestFormat((TensorSpec("x", "uint8", (-1, 2, 2, 1)),), image))
except UnsupportedMedia as error:
    print(error)
"""
    assert run_without({missing}, tmp_path, code) == (
        f'{missing} is not installed, so no picture can be read: pip install "twite[image]"'
    )


def test_json_needs_neither_pillow_nor_the_form_parser() -> None:
    code = """
import sys
from twite.decode import *
from twite.tensors import TensorSpec
wanted = RequestFormat((TensorSpec("x", "float32", (-1, 3)),))
decode(b'{"features": [1, 2, 3]}', "application/json", wanted)
print(sorted({"PIL", "python_multipart"} & {name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_but_a_request_error_comes_out_of_broken_json() -> None:
    draw = random.Random(7)
    seeds = [
        b'{"features": [[5.1, 3.5, 0.2], [1, 2, 3]]}',
        b'{"inputs": {"a": [[1.5, 2]], "b": [7]}}',
        b'{"features": [[true, null, "x"], {"a": 1e999}]}',
    ]
    pieces = [b"[", b"]", b"{", b"}", b'"', b",", b":", b"null", b"true", b"NaN", b"9" * 30, b"-"]
    formats = (ROWS, PAIR, PIXELS, one("bool", 2), RequestFormat(ROWS.inputs, columns=("a", "b")))
    for _ in range(20_000):
        body = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 5)):
            at = draw.randrange(len(body) + 1)
            body[at : at + draw.randint(0, 3)] = draw.choice([*pieces, draw.randbytes(2)])
        for wanted in formats:
            try:
                decoded = decode(bytes(body), JSON, wanted)
            except RequestError:
                continue
            for spec in wanted.inputs:
                spec.check(decoded.tensors[spec.name])
