"""Rows of pictures: an image and what each stage makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..utils.files import atomic_path
from ..utils.palette import colour_table
from .lettering import name_colours, write

PANEL_INCHES, LEGEND_INCHES = 1.8, 0.35
OPACITY = 0.6  # of a heat map


def heat_overlay(image: np.ndarray, cams: np.ndarray) -> np.ndarray:
    """Lays the strongest of several activation maps over an image.

    Args:
        image: RGB, uint8 (H, W, 3).
        cams: Maps in [0, 1], float (K, H, W).

    Returns:
        RGB, uint8 (H, W, 3).
    """
    heat = cams.max(axis=0) if len(cams) else np.zeros(image.shape[:2])
    colours = matplotlib.colormaps['jet'](heat)[..., :3] * 255
    return (image * (1 - OPACITY) + colours * OPACITY).astype(np.uint8)


def colour_labels(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paints a label map.

    Args:
        labels: uint8 (H, W), 255 for unknown.
        palette: RGB colour of each label.

    Returns:
        RGB, uint8 (H, W, 3).
    """
    return colour_table(palette)[labels]


def draw_rows(
    rows: Sequence[Mapping[str, np.ndarray]],
    names: Sequence[str],
    legend: Mapping[str, Sequence[int]] | None = None,
) -> Figure:
    """Draws one row of titled panels per image.

    Args:
        rows: For each image its panels by title, RGB uint8 (H, W, 3); all rows have equal titles.
        names: Caption of each row.
        legend: RGB colour of each name in the legend below, if any.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no row.
    """
    if not rows:
        raise ValueError('rows: expected at least one image, got none')
    titles = list(rows[0])
    height = PANEL_INCHES * len(rows) + 0.3
    figure = Figure(figsize=(PANEL_INCHES * len(titles), height + LEGEND_INCHES * bool(legend)))
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axes, row, name in zip(grid, rows, names):
        write(axes[0].set_ylabel('', fontsize=9), name)
        for axis, title in zip(axes, titles):
            axis.imshow(row[title], interpolation='nearest')
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(grid[0], titles):
        axis.set_title(title, fontsize=10)
    below = LEGEND_INCHES / figure.get_figheight() if legend else 0.0
    figure.tight_layout(pad=0.4, rect=(0, below, 1, 1))
    if legend:
        columns = min(len(legend), 2 * len(titles))
        name_colours(figure, legend, loc='lower center', ncols=columns, fontsize=9)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Writes a figure atomically; the suffix decides the format."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
