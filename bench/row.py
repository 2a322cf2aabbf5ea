"""A line of the table: what was measured, what was wanted."""

from typing import NamedTuple


class Row(NamedTuple):
    """value and target as they are printed."""

    name: str
    value: str
    target: str
    is_met: bool


def at_most(name: str, value: float, target: float, unit: str = "", digits: int = 2) -> Row:
    return Row(
        name, _spell(value, unit, digits), f"≤ {_spell(target, unit, digits)}", value <= target
    )


def at_least(name: str, value: float, target: float, unit: str = "", digits: int = 2) -> Row:
    return Row(
        name, _spell(value, unit, digits), f"≥ {_spell(target, unit, digits)}", value >= target
    )


def _spell(value: float, unit: str, digits: int) -> str:
    return f"{value:,.{digits}f} {unit}".strip()
