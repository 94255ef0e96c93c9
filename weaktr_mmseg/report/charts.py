"""Charts as inline SVG. Colours are CSS variables, so that they follow the theme of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple
from unicodedata import east_asian_width

import numpy as np

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40  # margins of the plotting area
MAX_NUMBERS = 16  # rows of a matrix whose cells have room for numbers
SERIES_COLOURS = 6
TICKS = 5  # of an axis, about


class Series(NamedTuple):
    """A named line; undefined points (None or NaN) are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


class Mark(NamedTuple):
    """A vertical line at ``x`` with a caption."""

    x: float
    caption: str


def line_chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    marks: Sequence[Mark] = (),
    x_start: float | None = None,
) -> str:
    """Draws lines over a common axis, with a legend below.

    Args:
        series: The lines.
        x_label: Caption of the horizontal axis.
        y_label: Caption of the vertical axis.
        marks: Vertical lines.
        x_start: A value that the horizontal axis shall reach down to.

    Returns:
        SVG and legend as HTML; an empty string if no series has a point.
    """
    lines = [(item.name, _points(item)) for item in series]
    points = [point for _, line in lines for point in line]
    if not points:
        return ''
    start = [] if x_start is None else [x_start]
    x_ticks = _ticks([x for x, _ in points] + [mark.x for mark in marks] + start)
    y_ticks = _ticks([y for _, y in points])
    to_x = _scale(x_ticks, LEFT, WIDTH - RIGHT)
    to_y = _scale(y_ticks, HEIGHT - BOTTOM, TOP)
    parts = [_axes(x_ticks, y_ticks, to_x, to_y, x_label, y_label)]
    for number, mark in enumerate(marks):
        parts.append(_mark(mark, to_x(mark.x), number))
    for number, (name, line) in enumerate(lines):
        parts.append(_line(name, [(to_x(x), to_y(y)) for x, y in line], line, number))
    legend = ''.join(
        f'<span><i class="s{number % SERIES_COLOURS}"></i>{escape(name)}</span>'
        for number, (name, line) in enumerate(lines)
        if line
    )
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(y_label)} over {escape(x_label)}">{"".join(parts)}</svg>'
        f'<figcaption class="legend">{legend}</figcaption></figure>'
    )


def matrix_chart(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    row_label: str,
    column_label: str,
    limits: tuple[float, float] = (0.0, 1.0),
) -> str:
    """Draws a matrix as coloured cells, with numbers where they have room.

    Args:
        values: The matrix, (R, C); NaN cells stay empty.
        rows: Captions of the rows.
        columns: Captions of the columns.
        row_label: What the rows are.
        column_label: What the columns are.
        limits: Values of the faintest and the strongest colour.

    Returns:
        SVG.
    """
    cell = 46 if max(values.shape) <= MAX_NUMBERS else max(8, 640 // max(values.shape))
    font = 11 if cell >= 40 else max(6, cell - 3)
    left = 28 + font * 0.62 * max(map(_columns, rows))
    bottom = 28 + (font * 0.62 * max(map(_columns, columns)) if cell < 60 else font)
    width, height = left + cell * len(columns) + 4, 4 + cell * len(rows) + bottom
    parts = []
    low, high = limits
    for (row, column), value in np.ndenumerate(values):
        if math.isnan(value):
            continue
        strength = min(max((value - low) / max(high - low, 1e-12), 0), 1)
        x, y = left + column * cell, 4 + row * cell
        tip = f'{rows[row]}, {columns[column]}: {value:.3g}'
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell - 1}" height="{cell - 1}" class="cell" '
            f'fill-opacity="{0.04 + 0.96 * strength:.3f}"><title>{escape(tip)}</title></rect>'
        )
        if cell >= 40:
            shade = 'on' if strength > 0.5 else 'off'
            parts.append(
                f'<text x="{x + cell / 2:.1f}" y="{y + cell / 2 + 4:.1f}" class="{shade}" '
                f'text-anchor="middle">{value:.2f}</text>'
            )
    for row, name in enumerate(rows):
        y = 4 + row * cell + cell / 2 + font * 0.35
        parts.append(
            f'<text x="{left - 6:.1f}" y="{y:.1f}" text-anchor="end">{escape(name)}</text>'
        )
    for column, name in enumerate(columns):
        x, y = left + column * cell + cell / 2, 4 + cell * len(rows) + font + 2
        parts.append(
            f'<text transform="translate({x + font * 0.35:.1f} {y - font * 0.5:.1f}) rotate(-90)" '
            f'text-anchor="end">{escape(name)}</text>'
        )
    middle = 4 + cell * len(rows) / 2
    parts.append(
        f'<text transform="translate(12 {middle:.1f}) rotate(-90)" text-anchor="middle" '
        f'class="label">{escape(row_label)}</text>'
        f'<text x="{left + cell * len(columns) / 2:.1f}" y="{height - 6:.1f}" '
        f'text-anchor="middle" class="label">{escape(column_label)}</text>'
    )
    return (
        f'<svg class="matrix" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="max-width:{width:.0f}px;font-size:{font}px" role="img" '
        f'aria-label="{escape(row_label)} by {escape(column_label)}">{"".join(parts)}</svg>'
    )


def _columns(name: str) -> int:
    """Width of a name in Latin letters; those of East Asia are twice as wide."""
    return sum(1 + (east_asian_width(character) in 'WF') for character in name)


def _points(series: Series) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in zip(series.x, series.y)
        if y is not None and math.isfinite(y)
    ]


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, at least two, from below the least to above the greatest value."""
    low, high = min(values), max(values)
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    power = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if (high - low) / (s * power) <= TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _scale(ticks: Sequence[float], start: float, end: float):
    low, high = ticks[0], ticks[-1]
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _axes(x_ticks, y_ticks, to_x, to_y, x_label: str, y_label: str) -> str:
    parts = []
    for tick in y_ticks:
        y = to_y(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    for tick in x_ticks:
        x = to_x(tick)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:g}</text>'
        )
    base = HEIGHT - BOTTOM
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
    parts.append(
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle" class="label">'
        f'{escape(x_label)}</text><text transform="translate(12 {HEIGHT / 2}) rotate(-90)" '
        f'text-anchor="middle" class="label">{escape(y_label)}</text>'
    )
    return ''.join(parts)


def _mark(mark: Mark, x: float, number: int) -> str:
    anchor, offset = ('start', 5) if x < WIDTH * 0.6 else ('end', -5)
    y = HEIGHT - BOTTOM - 10 - 16 * number
    return (
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="marktext" x="{x + offset:.1f}" y="{y}" text-anchor="{anchor}">'
        f'{escape(mark.caption)}</text>'
    )


def _line(name: str, places: list, points: list, number: int) -> str:
    colour = f's{number % SERIES_COLOURS}'
    path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in places)
    dots = ''
    if len(places) <= 40:
        dots = ''.join(
            f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="2.6">'
            f'<title>{escape(name)}: {value[1]:.4g} at {value[0]:g}</title></circle>'
            for (x, y), value in zip(places, points)
        )
    return f'<polyline class="{colour}" points="{path}"/>{dots}'
