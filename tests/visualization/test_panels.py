from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.utils.palette import IGNORE_COLOUR
from weaktr_mmseg.visualization.panels import colour_labels, draw_rows

PALETTE = [[0, 0, 0], [178, 34, 34], [34, 139, 34]]


def test_colours_of_labels():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    expected = [[PALETTE[0], PALETTE[1]], [PALETTE[2], IGNORE_COLOUR]]
    assert np.array_equal(colour_labels(labels, PALETTE), expected)


def test_legend_lies_below_the_panels_and_names_the_colours():
    picture = np.zeros((8, 8, 3), np.uint8)
    rows = [{'image': picture, 'truth': picture}] * 2
    figure = draw_rows(rows, ['brick', 'grass'], {'brick': PALETTE[1], 'grass': PALETTE[2]})
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ['brick', 'grass']
    colours = [patch.get_facecolor()[:3] for patch in legend.get_patches()]
    assert np.allclose(colours, np.divide(PALETTE[1:], 255))
    lowest = min(axis.get_position().y0 for axis in figure.axes)
    assert legend.get_window_extent().y1 / figure.bbox.height <= lowest
    assert not draw_rows(rows, ['brick', 'grass']).legends


def test_no_row_is_refused():
    with pytest.raises(ValueError, match='rows: expected at least one image, got none'):
        draw_rows([], [])
