"""The regions of a label map: what an annotation describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from ...utils.masks import IGNORE_INDEX


class Region(NamedTuple):
    """Pixels of one class, cut out of their image.

    Attributes:
        class_id: Label of the pixels, at least 1.
        left: First column of the cut-out.
        top: First row of the cut-out.
        pixels: Which pixels of the cut-out belong to the region, bool (h, w); each side of it
            touches one.
    """

    class_id: int
    left: int
    top: int
    pixels: np.ndarray

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.pixels.sum())

    def paint(self, canvas: np.ndarray, value: int) -> None:
        """Sets the region's pixels of an image-sized array to a value, in place."""
        height, width = self.pixels.shape
        box = canvas[self.top : self.top + height, self.left : self.left + width]
        box[self.pixels] = value


def find_regions(mask: np.ndarray, min_area: int = 0, per_class: bool = False) -> list[Region]:
    """Finds the regions of a label map; background (0) and unknown pixels (255) are in none.

    Pixels that touch at a corner are connected.

    Args:
        mask: Labels, uint8 (H, W).
        min_area: Connected parts with fewer pixels are left out.
        per_class: One region for each class, of all its parts, in place of one for each part.

    Returns:
        The regions by class, within a class the largest first.
    """
    regions = []
    for class_id in np.unique(mask).tolist():
        if class_id in (0, IGNORE_INDEX):
            continue
        parts = sorted(_parts(mask, class_id, min_area), key=lambda part: part.area, reverse=True)
        regions += [_union(parts)] if per_class and parts else parts
    return regions


def _parts(mask: np.ndarray, class_id: int, min_area: int) -> Iterator[Region]:
    """Connected parts of a class."""
    inside = (mask == class_id).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    for index in range(1, count):  # 0 is what lies outside
        left, top, width, height, area = stats[index].tolist()
        if area >= min_area:
            box = labels[top : top + height, left : left + width]
            yield Region(class_id, left, top, box == index)


def _union(parts: list[Region]) -> Region:
    left, top = min(part.left for part in parts), min(part.top for part in parts)
    right = max(part.left + part.pixels.shape[1] for part in parts)
    bottom = max(part.top + part.pixels.shape[0] for part in parts)
    pixels = np.zeros((bottom - top, right - left), bool)
    for part in parts:
        part._replace(left=part.left - left, top=part.top - top).paint(pixels, True)
    return Region(parts[0].class_id, left, top, pixels)
