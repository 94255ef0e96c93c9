"""Outlines of regions as polygons, with their holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .regions import Region


class Outline(NamedTuple):
    """One connected part of a region.

    Attributes:
        outer: Corners of its outside, float (N, 2), x and y in pixels of the image.
        holes: Those of each hole, running the other way around.
    """

    outer: np.ndarray
    holes: list[np.ndarray]


def find_outlines(region: Region, tolerance: float = 0.0, inset: float = 0.0) -> list[Outline]:
    """Traces a region along the edges of its pixels.

    Pixel ``i`` reaches from ``i`` to ``i + 1``, so the area of an unsimplified outline, less its
    holes, is the number of pixels, and a single pixel is a unit square.

    Args:
        region: What to trace.
        tolerance: Corners may be left out as long as the outline moves by no more than this, in
            pixels (Douglas and Peucker).
        inset: Moves the outline into the region, in pixels, less than a half.

    Returns:
        One outline for each connected part, ``N >= 3`` for each ring.
    """
    doubled = region.pixels.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    rings, tree = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outlines: dict[int, Outline] = {}
    holes: list[tuple[int, np.ndarray]] = []
    for index, (ring, (_, _, _, parent)) in enumerate(zip(rings, tree[0].tolist())):
        corners = _on_edges(ring[:, 0], inset) + (region.left, region.top)
        corners = _simplify(corners, tolerance)
        if parent < 0:
            outlines[index] = Outline(corners, [])
        else:
            holes.append((parent, corners))
    for parent, corners in holes:
        outlines[parent].holes.append(corners)
    return list(outlines.values())


def _on_edges(points: np.ndarray, inset: float) -> np.ndarray:
    """Corners of the traced pixels, from a tracing in which every pixel is two by two.

    OpenCV connects the centres of pixels, which cuts half a pixel off each side. Of a doubled pixel
    it meets the half at the edge, which tells on which side the region ends: the first half (even)
    stands for the lower edge, the second (odd) for the upper.

    Args:
        points: Contour in the doubled image, int (N, 2).
        inset: See :func:`find_outlines`.

    Returns:
        float (N, 2) without repetitions.
    """
    corners = (points + 1) // 2 + inset * (1 - 2 * (points % 2))
    return corners[np.any(corners != np.roll(corners, 1, axis=0), axis=1)]


def _simplify(ring: np.ndarray, tolerance: float) -> np.ndarray:
    if tolerance <= 0:
        return ring
    simple = cv2.approxPolyDP(ring.astype(np.float32), tolerance, closed=True)[:, 0]
    if not cv2.contourArea(simple):
        return ring  # so small that nothing would be left
    return simple.astype(float)


def join_rings(rings: Sequence[np.ndarray]) -> np.ndarray:
    """One ring for formats that know neither holes nor several parts.

    Bridges between nearby corners are walked there and back, so they enclose nothing.

    Args:
        rings: Rings of an outline, its outside first, or the outsides of several.

    Returns:
        float (N, 2).
    """
    path = rings[0]
    for ring in rings[1:]:
        leave, enter = _nearby_corners(path, ring)
        around = np.roll(ring, -enter, axis=0)
        path = np.concatenate([path[: leave + 1], around, around[:1], path[leave:]])
    return path


def _nearby_corners(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Indices of a corner of each ring, near each other."""
    enter = 0
    for _ in range(3):  # back and forth until neither finds a nearer one, or nearly so
        leave = int(np.square(first - second[enter]).sum(axis=1).argmin())
        enter = int(np.square(second - first[leave]).sum(axis=1).argmin())
    return leave, enter


def outline_rings(region: Region, tolerance: float = 0.0, inset: float = 0.0) -> list[np.ndarray]:
    """One ring for each part of a region, holes reached by bridges; see :func:`join_rings`.

    Args:
        region: What to trace.
        tolerance: See :func:`find_outlines`.
        inset: See :func:`find_outlines`.
    """
    outlines = find_outlines(region, tolerance, inset)
    return [join_rings([outline.outer, *outline.holes]) for outline in outlines]
