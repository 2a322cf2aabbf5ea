"""A scatter plot of the candidates as inline SVG: their metric against their latency or size."""

import math
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 380, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 40
LABEL_HEIGHT = 13


class Point(NamedTuple):
    """A candidate; x is above 0, its axis logarithmic."""

    label: str
    x: float
    y: float
    passed: bool
    chosen: bool


def scatter(points: list[Point], x_name: str, y_name: str, line: float | None = None) -> str:
    """The plot, with a dashed line at the source's own value; nothing where there is no point."""
    points = [p for p in points if p.x > 0 and math.isfinite(p.x) and math.isfinite(p.y)]
    if not points:
        return ""
    xs = _widened([math.log10(p.x) for p in points], 0.12, 0.05)
    ys = _widened([p.y for p in points] + ([] if line is None else [line]), 0.12, 1e-3)
    name = escape(f"{y_name} against {x_name}")
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">',
        *_x_axis(xs, x_name),
        *_y_axis(ys, y_name),
        *([] if line is None else [_source_line(_y(line, ys))]),
        *_marks(points, xs, ys),
        "</svg>",
    ]
    return "\n".join(parts)


def _widened(values: list[float], share: float, least: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = max((high - low) * share, least)
    return low - margin, high + margin


def _x(value: float, xs: tuple[float, float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - xs[0]) / (xs[1] - xs[0])


def _y(value: float, ys: tuple[float, float]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - ys[0]) / (ys[1] - ys[0])


def _x_axis(xs: tuple[float, float], name: str) -> list[str]:
    floor = HEIGHT - BOTTOM
    found = [f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}"/>']
    for tick in _log_ticks(xs):
        x = _x(tick, xs)
        found.append(f'<path class="axis" d="M{x:.1f} {floor}v4"/>')
        found.append(f'<text x="{x:.1f}" y="{floor + 16}" class="middle">{_short(tick)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    found.append(f'<text x="{middle:g}" y="{HEIGHT - 6}" class="middle">{escape(name)}</text>')
    return found


def _y_axis(ys: tuple[float, float], name: str) -> list[str]:
    low, high = ys
    found = []
    for share in (0.1, 0.5, 0.9):
        value = low + (high - low) * share
        y = _y(value, ys)
        found.append(f'<path class="axis" d="M{LEFT - 4} {y:.1f}h4"/>')
        found.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" class="end">{value:.4g}</text>')
    found.append(f'<text x="{LEFT + 6}" y="{TOP + 2}">{escape(name)}</text>')
    return found


def _source_line(y: float) -> str:
    return f'<path class="source" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'


def _marks(points: list[Point], xs: tuple[float, float], ys: tuple[float, float]) -> list[str]:
    """Labels move down where they would lie on one another."""
    found, taken = [], [0.0]
    for point in sorted(points, key=lambda p: -p.y):
        x, y = _x(point.x, xs), _y(point.y, ys)
        kind = ("good" if point.passed else "bad") + (" chosen" if point.chosen else "")
        found.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
        label = max(y + 4, taken[-1] + LABEL_HEIGHT)
        taken.append(label)
        is_right = x > WIDTH * 0.6
        place = f'x="{x - 9:.1f}" class="end"' if is_right else f'x="{x + 9:.1f}"'
        found.append(f'<text {place} y="{label:.1f}">{escape(point.label)}</text>')
    return found


def _log_ticks(xs: tuple[float, float]) -> list[float]:
    """Round numbers inside the axis, 1, 2 and 5 times powers of ten where those are enough."""
    for factors in ((1, 2, 5), range(1, 10), [i / 10 for i in range(10, 100)]):
        powers = range(math.floor(xs[0]), math.ceil(xs[1]) + 1)
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        inside = [tick for tick in ticks if xs[0] <= math.log10(tick) <= xs[1]]
        if len(inside) >= 2:
            return inside[:: math.ceil(len(inside) / 6)]
    return [10 ** ((xs[0] + xs[1]) / 2)]


def _short(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"
