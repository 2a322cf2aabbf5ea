from typing import Literal, NamedTuple

import pytest

from twite.errors import UsageError
from twite.fields import from_table, to_table
from twite.tensors import Quantization, TensorSpec


class Circle(NamedTuple):
    kind: Literal["circle"]
    radius: float


class Square(NamedTuple):
    kind: Literal["square"]
    side: int = 1


class Drawing(NamedTuple):
    title: str
    shapes: tuple[Circle | Square, ...] = ()
    sizes: dict[str, int] | None = None


def read(table: object) -> Drawing:
    return from_table(Drawing, table, "drawing", UsageError)


def test_reads_and_writes_nested_tables() -> None:
    table = {
        "title": "a",
        "shapes": [{"kind": "circle", "radius": 2.0}, {"kind": "square", "side": 3}],
        "sizes": {"x": 1},
    }
    assert to_table(read(table)) == table


def test_a_whole_number_is_a_number() -> None:
    drawing = read({"title": "a", "shapes": [{"kind": "circle", "radius": 2}]})
    assert drawing.shapes == (Circle("circle", 2.0),)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], r"drawing is \[\]; it must be a table"),
        ({}, "drawing lacks 'title'"),
        ({"titel": "a"}, "drawing has an unknown key 'titel'; did you mean 'title'"),
        ({"title": 3}, "drawing title is 3; it must be text"),
        ({"title": "a", "shapes": 3}, "drawing shapes is 3; it must be a list"),
        ({"title": "a", "shapes": [{"kind": "dot"}]}, "kind 'dot'; it must be one of 'circle'"),
        (
            {"title": "a", "shapes": [{"kind": "square", "side": 1.5}]},
            "side is 1.5; it must be a w",
        ),
        ({"title": "a", "shapes": [{"kind": "square", "side": True}]}, "side is True"),
        ({"title": "a", "sizes": {"x": "1"}}, r"sizes\.x is '1'; it must be a whole number"),
    ],
)
def test_refuses_with_place_value_and_wish(table: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(table)


def test_a_record_may_be_left_out() -> None:
    spec = TensorSpec("x", "int8", (-1, 3), Quantization(0.5, -1))
    for each in (spec, spec._replace(quantization=None)):
        assert from_table(TensorSpec, to_table(each), "tensor", UsageError) == each
    table = {**to_table(spec), "quantization": {"scale": 1}}
    with pytest.raises(UsageError, match="tensor quantization lacks 'zero_point'"):
        from_table(TensorSpec, table, "tensor", UsageError)
