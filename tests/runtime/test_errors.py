from collections.abc import Iterator

from twite import errors
from twite.errors import TwiteError


def tree(cls: type[TwiteError]) -> Iterator[type[TwiteError]]:
    yield cls
    for below in cls.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


def test_exit_codes_are_unique() -> None:
    codes = [cls.__dict__["exit_code"] for cls in tree(TwiteError) if "exit_code" in cls.__dict__]
    assert sorted(codes) == [1, 2, 3, 4]


def test_every_status_is_an_http_error() -> None:
    assert all(400 <= cls.status < 600 for cls in tree(TwiteError))


def test_the_docstring_draws_every_error() -> None:
    assert all(cls.__name__ in (errors.__doc__ or "") for cls in tree(TwiteError))
