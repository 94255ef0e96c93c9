from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hard_masks import hard_mask, miou
from parsing import even_odd

from weaktr_mmseg.apis.annotations.outlines import find_outlines, join_rings, outline_rings
from weaktr_mmseg.apis.annotations.regions import find_regions

from looping import some

INSET = 0.25


def shoelace(ring: np.ndarray) -> float:
    following = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * following[:, 1] - ring[:, 1] * following[:, 0]).sum() / 2)


@pytest.mark.parametrize('per_class', [False, True])
def test_area_of_an_outline_is_the_number_of_pixels(per_class):
    for region in some(find_regions(hard_mask(), per_class=per_class)):
        outlines = find_outlines(region)
        outer = sum(abs(shoelace(outline.outer)) for outline in outlines)
        holes = sum(abs(shoelace(hole)) for outline in outlines for hole in outline.holes)
        assert outer - holes == region.area
        for outline in outlines:  # holes run the other way around
            assert all(shoelace(outline.outer) * shoelace(hole) < 0 for hole in outline.holes)


@pytest.mark.parametrize('inset', [0.0, INSET])
def test_outlines_hold_exactly_the_centres_of_the_pixels(inset):
    mask = hard_mask(3)
    for region in some(find_regions(mask)):
        rings = outline_rings(region, inset=inset)
        expected = np.zeros(mask.shape, bool)
        region.paint(expected, True)
        assert (even_odd(rings, mask.shape) == expected).all()


def test_inset_outlines_are_filled_exactly_by_opencv():
    """Which draws the edge as well; from the edges of pixels it would gain some."""
    mask = hard_mask(1)
    for region in some(find_regions(mask, per_class=True)):
        expected = np.zeros(mask.shape, np.uint8)
        region.paint(expected, 1)
        for inset, equal in ((INSET, True), (0.0, False)):
            canvas = np.zeros_like(expected)
            rings = [r for o in find_outlines(region, inset=inset) for r in (o.outer, *o.holes)]
            cv2.fillPoly(canvas, [ring.astype(np.int32) for ring in rings], 1)
            assert (canvas == expected).all() == equal


def test_a_single_pixel_is_a_unit_square():
    mask = np.zeros((5, 5), np.uint8)
    mask[2, 3] = 1
    (outline,) = find_outlines(find_regions(mask)[0], tolerance=2.0)
    assert sorted(map(tuple, outline.outer)) == [(3, 2), (3, 3), (4, 2), (4, 3)]


def test_simplifying_saves_corners_and_keeps_the_shape():
    yy, xx = np.mgrid[:100, :100]
    distance = np.hypot(xx - 50, yy - 50)
    mask = ((distance < 40) & (distance > 15)).astype(np.uint8)
    (region,) = find_regions(mask)
    counts = []
    for tolerance, lowest in ((0.0, 1.0), (1.0, 0.97), (3.0, 0.9)):
        (ring,) = outline_rings(region, tolerance)
        assert miou(mask, even_odd([ring], mask.shape)) >= lowest
        counts.append(len(ring))
    assert counts[0] > 5 * counts[1] > 5 * counts[2]


def test_bridges_enclose_nothing():
    outer = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], float)
    holes = [np.array([(x + 2, 6), (x + 2, 4), (x, 4), (x, 6)], float) for x in (2, 6)]
    ring = join_rings([outer, *holes])
    assert abs(shoelace(ring)) == 100 - 4 - 4
    assert len(ring) == 4 + 2 * (4 + 2)
    assert {tuple(corner) for corner in ring} == {tuple(c) for r in (outer, *holes) for c in r}
    bridges = 2 * (math.hypot(2, 4) + 2)  # there and back, from the outside and from hole to hole
    around = np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1).sum()
    assert around == pytest.approx(40 + 8 + 8 + bridges)


def test_a_triangle_is_simplified_to_its_corners():
    mask = np.tri(40, dtype=np.uint8)
    (region,) = find_regions(mask)
    (outline,) = find_outlines(region, tolerance=1.5)
    assert len(outline.outer) == 3
    assert abs(shoelace(outline.outer)) == pytest.approx(region.area, rel=0.05)
