from __future__ import annotations

import numpy as np
import pytest
from hard_masks import hard_mask

from weaktr_mmseg.apis.annotations.regions import find_regions


def painted(mask, regions):
    canvas = np.zeros_like(mask)
    for region in regions:
        region.paint(canvas, region.class_id)
    return canvas


@pytest.mark.parametrize('per_class', [False, True])
@pytest.mark.parametrize('seed', range(5))
def test_regions_together_are_the_mask(seed, per_class):
    mask = hard_mask(seed)
    regions = find_regions(mask, per_class=per_class)
    assert (painted(mask, regions) == np.where(mask == 255, 0, mask)).all()
    for region in regions:
        sides = (region.pixels[0], region.pixels[-1], region.pixels[:, 0], region.pixels[:, -1])
        assert all(side.any() for side in sides)


def test_parts_that_touch_at_a_corner_are_one_region():
    assert len(find_regions(np.eye(5, dtype=np.uint8))) == 1


def test_small_parts_are_left_out_of_a_class_too():
    mask = np.zeros((9, 9), np.uint8)
    mask[1:3, 1:3] = 1  # four pixels
    mask[7, 5:8] = 1  # three
    mask[5, 1] = 2
    assert [region.area for region in find_regions(mask)] == [4, 3, 1]
    for per_class in (False, True):
        kept = find_regions(mask, min_area=4, per_class=per_class)
        assert [(region.class_id, region.area) for region in kept] == [(1, 4)]
    assert [region.area for region in find_regions(mask, per_class=True)] == [7, 1]


def test_background_and_unknown_pixels_are_in_no_region():
    mask = np.full((4, 4), 255, np.uint8)
    mask[:2] = 0
    assert find_regions(mask) == []
