"""Colours for any number of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

IGNORE_COLOUR = (224, 224, 224)


def voc_palette(num_classes: int) -> list[list[int]]:
    """The colour map of Pascal VOC, which is defined for 256 classes.

    Three bits of the class id at a time give the next lower bit of red, green and blue.

    Returns:
        ``num_classes`` lists of RGB values 0..255, black for the background.
    """
    ids, channels, bits = np.ogrid[:num_classes, :3, :8]
    return ((ids >> (3 * bits + channels) & 1) << (7 - bits)).sum(axis=2).tolist()


def colour_table(palette: Sequence[Sequence[int]]) -> np.ndarray:
    """The colours of all labels, uint8 (256, 3): those of the classes, and gray."""
    colours = np.full((256, 3), IGNORE_COLOUR, np.uint8)
    colours[: len(palette)] = palette
    return colours
