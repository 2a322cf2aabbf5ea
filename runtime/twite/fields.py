"""Checked tables: a dict from JSON or TOML to a NamedTuple, and back.

Records are NamedTuples: a module of them imports six times faster than one of dataclasses, and
every start of a server pays for it. Every key is checked. A wrong one is refused with its place,
what came and what was wanted, and a misspelt one gets a suggestion.
"""

import types
import typing
from typing import Any, Literal, TypeVar, Union

from twite.errors import TwiteError

T = TypeVar("T")


def from_table(cls: type[T], table: object, where: str, error: type[TwiteError]) -> T:
    """Build cls from table; where names the table in messages ("bundle.json", "[source]").

    Understands str, int, float, bool, Literal, X | None, tuple[X, ...], dict[str, X], nested
    NamedTuples, and unions of them told apart by their `kind`. Raises error.
    """
    if not isinstance(table, dict):
        raise error(f"{where} is {spell(table)}; it must be a table")
    # NamedTuple has checked them already; get_type_hints would take most of the time of a load.
    hints: dict[str, Any] = cls.__annotations__
    known: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    defaults: dict[str, Any] = cls._field_defaults  # type: ignore[attr-defined]
    for key in table:
        if key not in known:
            raise error(f"{where} has an unknown key '{key}'{suggestion(str(key), known)}")
    values: dict[str, Any] = {}
    for name in known:
        if name in table:
            values[name] = _value(hints[name], table[name], f"{where} {name}", error)
        elif name not in defaults:
            raise error(f"{where} lacks '{name}'")
    return cls(**values)


def to_table(value: object) -> Any:
    """The JSON form of a NamedTuple: tuples become lists, None is left out."""
    if _is_table(type(value)):
        pairs = zip(value._fields, value, strict=True)  # type: ignore[attr-defined,call-overload]
        return {name: to_table(item) for name, item in pairs if item is not None}
    if isinstance(value, dict):
        return {key: to_table(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [to_table(item) for item in value]
    return value


def suggestion(word: str, known: typing.Sequence[str]) -> str:
    """'; did you mean …?' for a near miss, otherwise the list of what is known."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"


def spell(value: object) -> str:
    """A short, safe rendering of a wrong value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _value(hint: Any, value: object, where: str, error: type[TwiteError]) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _union(arguments, value, where, error)
    if origin is Literal:
        if any(value == item and type(value) is type(item) for item in arguments):
            return value
        wanted = ", ".join(repr(item) for item in arguments)
        raise error(f"{where} is {spell(value)}; it must be one of {wanted}")
    if origin is tuple:
        return _items(arguments[0], value, where, error)
    if origin is dict:
        return _entries(arguments[1], value, where, error)
    if _is_table(hint):
        return from_table(hint, value, where, error)
    return _scalar(hint, value, where, error)


def _is_table(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def _union(choices: tuple[Any, ...], value: object, where: str, error: type[TwiteError]) -> Any:
    tables: dict[str, Any] = {_kind(choice): choice for choice in choices if _has_kind(choice)}
    if tables and isinstance(value, dict):
        kind = value.get("kind")
        if kind not in tables:
            wanted = ", ".join(repr(name) for name in tables)
            raise error(f"{where} has kind {spell(kind)}; it must be one of {wanted}")
        return from_table(tables[kind], value, where, error)
    plain = [choice for choice in choices if choice is not types.NoneType]
    if value is None and len(plain) < len(choices):
        return None
    if len(plain) == 1:
        return _value(plain[0], value, where, error)
    if type(value) in plain:
        return value
    names = " or ".join(getattr(choice, "__name__", str(choice)) for choice in plain)
    raise error(f"{where} is {spell(value)}; it must be {names}")


def _has_kind(hint: Any) -> bool:
    return _is_table(hint) and "kind" in hint._fields


def _kind(cls: Any) -> str:
    return str(typing.get_args(cls.__annotations__["kind"])[0])


def _items(hint: Any, value: object, where: str, error: type[TwiteError]) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise error(f"{where} is {spell(value)}; it must be a list")
    return tuple(_value(hint, item, f"{where}[{i}]", error) for i, item in enumerate(value))


def _entries(hint: Any, value: object, where: str, error: type[TwiteError]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise error(f"{where} is {spell(value)}; it must be a table")
    return {str(k): _value(hint, item, f"{where}.{k}", error) for k, item in value.items()}


def _scalar(hint: type, value: object, where: str, error: type[TwiteError]) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise error(f"{where} is {spell(value)}; it must be {_SCALAR_NAMES[hint]}")
    return value


_SCALAR_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
