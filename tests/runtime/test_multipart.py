import io
import random

import numpy as np
import pytest
from PIL import Image

from twite.decode import Decoded, RequestFormat, decode
from twite.errors import RequestError
from twite.manifest import ImagePreprocessing
from twite.multipart import image_parts
from twite.tensors import TensorSpec

FORM = "multipart/form-data; boundary=xyz"
IMAGE = RequestFormat(
    (TensorSpec("x", "uint8", (-1, 2, 2, 1)),),
    image=ImagePreprocessing(kind="image", input="x", height=2, width=2, channels=1),
)


def picture(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (2, 2), value).save(file, "PNG")
    return file.getvalue()


def part(name: str, content: bytes, filename: str | None = "a.png") -> bytes:
    attached = "" if filename is None else f'; filename="{filename}"'
    header = f'Content-Disposition: form-data; name="{name}"{attached}\r\n'
    return b"--xyz\r\n" + header.encode() + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


def send(body: bytes, content_type: str = FORM) -> Decoded:
    return decode(body, content_type, IMAGE)


def refusal(body: bytes, content_type: str = FORM) -> str:
    with pytest.raises(RequestError) as refused:
        send(body, content_type)
    return str(refused.value)


def test_one_picture_is_one_sample() -> None:
    request = send(form(part("image", picture(9))))
    assert not request.is_batch
    np.testing.assert_array_equal(request.tensors["x"], np.full((1, 2, 2, 1), 9, np.uint8))


def test_several_pictures_are_a_batch_in_order() -> None:
    request = send(form(part("image", picture(9)), part("image", picture(4))))
    assert request.is_batch
    assert request.tensors["x"][:, 0, 0, 0].tolist() == [9, 4]


@pytest.mark.parametrize("kind", ["image/png", "image/*", "IMAGE/PNG", "image/jpeg; q=1"])
def test_a_raw_picture_is_one_sample_whatever_its_type_says(kind: str) -> None:
    request = send(picture(9), kind)
    assert not request.is_batch
    assert request.tensors["x"].tolist() == np.full((1, 2, 2, 1), 9).tolist()


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="xyz"',
        "Multipart/Form-Data; charset=utf-8; Boundary=xyz",
        "multipart/form-data;boundary=xyz",
    ],
)
def test_reads_the_boundary_however_it_is_written(content_type: str) -> None:
    assert send(form(part("image", picture(9))), content_type).tensors


def test_other_fields_and_a_missing_filename_do_no_harm() -> None:
    body = form(part("note", b"hello", None), part("image", picture(9), None))
    assert image_parts(body, FORM) == [picture(9)]


def test_keeps_every_byte_of_a_part() -> None:
    content = b"\r\n--xy\r\n\r\n--xyzz\r\n--" + bytes(range(256)) + b"\r\n"
    assert image_parts(form(part("image", content)), FORM) == [content]


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data;"],
)
def test_refuses_a_form_without_boundary(content_type: str) -> None:
    message = refusal(form(part("image", b"x")), content_type)
    assert message == (
        f"the content type '{content_type}' has no boundary; "
        "let the HTTP client set it from the form"
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "the form has no field 'image'; its fields are none"),
        (
            [part("file", b"x"), part("Image", b"y")],
            "the form has no field 'image'; its fields are 'file', 'Image'",
        ),
        ([part("image", b"", "")], "the field 'image' is empty; it must hold a picture"),
        (
            [part("image", picture(1)), part("image", b"")],
            "the field 'image' is empty; it must hold a picture",
        ),
        ([part("f", b"")] * 101, "the form has more than 100 fields; send smaller batches"),
    ],
)
def test_refuses_a_form_that_holds_no_picture(parts: list[bytes], message: str) -> None:
    assert refusal(form(*parts)) == message


def test_refuses_every_truncation() -> None:
    body = form(part("image", picture(9)))
    for length in range(1, len(body) - len(b"\r\n") - 1):
        assert "boundary" in refusal(body[:length]) or "cannot be read" in refusal(body[:length])
    assert refusal(body[:60]) == "the form ends after 60 bytes without its closing boundary"


@pytest.mark.parametrize(
    "body",
    [b"not a form", b"--abc\r\n\r\nx\r\n--abc--\r\n", b"--xyz\r\n: x\r\n\r\n\r\n--xyz--\r\n"],
)
def test_refuses_what_is_no_form(body: bytes) -> None:
    assert refusal(body).startswith("the form cannot be read: ")


def test_refuses_a_broken_content_type() -> None:
    assert refusal(b"x", "multipart/form-data; boundary=" + "x" * 1000)
    assert refusal(b"x", "multipart/form-data; boundary=\u2603")


def test_says_which_field_is_no_picture() -> None:
    assert refusal(form(part("image", b"hello"))).startswith(
        "the picture cannot be read; its 5 bytes begin with b'hello'"
    )


def test_nothing_but_a_request_error_comes_out_of_a_broken_form() -> None:
    draw = random.Random(7)
    body = form(part("note", b"1"), part("image", picture(9)), part("image", picture(7)))
    pieces = [b"--xyz", b"\r\n", b"--", b'"', b";", b"=", b":", b"\0"]
    for _ in range(5_000):
        broken = bytearray(body)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(broken))
            broken[at : at + draw.randint(0, 9)] = draw.choice([*pieces, draw.randbytes(2)])
        try:
            assert send(bytes(broken)).tensors["x"].shape[1:] == (2, 2, 1)
        except RequestError:
            continue
