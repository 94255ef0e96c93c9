"""Charts as inline SVG and HTML, in the colours of the page's theme, which are CSS variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

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
    """Draws a matrix as a table of coloured cells, with numbers where they have room.

    Args:
        values: The matrix, (R, C); NaN cells stay empty.
        rows: Captions of the rows.
        columns: Captions of the columns.
        row_label: What the rows are.
        column_label: What the columns are.
        limits: Values of the faintest and the strongest colour.

    Returns:
        HTML.
    """
    has_numbers = max(values.shape) <= MAX_NUMBERS
    cell = 46 if has_numbers else max(8, 640 // max(values.shape))
    low, high = limits
    strengths = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    lines = []
    for caption, row, shades in zip(rows, values, strengths):
        cells = ''.join(
            '<td></td>'
            if math.isnan(value)
            else f'<td class="{"on" if strength > 0.5 else "off"}" '
            f'style="--share:{4 + 96 * strength:.1f}%" '
            f'title="{escape(f"{caption}, {name}: {value:.3g}")}">'
            f'{f"{value:.2f}" if has_numbers else ""}</td>'
            for name, value, strength in zip(columns, row, shades)
        )
        lines.append(f'<tr><th>{escape(caption)}</th>{cells}</tr>')
    captions = ''.join(f'<th><span>{escape(name)}</span></th>' for name in columns)
    return (
        f'<div class="scroll"><table class="matrix" style="--cell:{cell}px;'
        f'font-size:{11 if has_numbers else max(6, cell - 3)}px">'
        f'<caption>{escape(row_label)} (rows) by {escape(column_label)} (columns)</caption>'
        f'<thead><tr><td></td>{captions}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


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
    right, base = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [_rule('grid', LEFT, to_y(tick), right, to_y(tick)) for tick in y_ticks]
    parts += [_text(f'{tick:g}', LEFT - 6, to_y(tick) + 4, 'end') for tick in y_ticks]
    parts += [_text(f'{tick:g}', to_x(tick), base + 16) for tick in x_ticks]
    parts.append(_rule('axis', LEFT, base, right, base))
    parts.append(_text(x_label, (LEFT + WIDTH) / 2, HEIGHT - 6, kind='label'))
    turned = f'<g transform="translate(12 {HEIGHT / 2}) rotate(-90)">'
    return ''.join([*parts, turned, _text(y_label, 0, 0, kind='label'), '</g>'])


def _mark(mark: Mark, x: float, number: int) -> str:
    anchor, offset = ('start', 5) if x < WIDTH * 0.6 else ('end', -5)
    base = HEIGHT - BOTTOM
    caption = _text(mark.caption, x + offset, base - 10 - 16 * number, anchor, 'marktext')
    return _rule('mark', x, TOP, x, base) + caption


def _rule(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(text: str, x: float, y: float, anchor: str = 'middle', kind: str = 'tick') -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


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
