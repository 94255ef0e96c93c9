from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.pseudo_labels.cam_files import CAMFile
from weaktr_mmseg.pseudo_labels.label_rule import LabelRule
from weaktr_mmseg.refinement.large_images import limit_pixels


@pytest.mark.parametrize('shape', [(10, 1200), (1200, 10), (110, 110), (1, 12000)])
def test_shrinks_and_enlarges(shape):
    sizes = []

    def refine(image, labels):
        sizes.append((image.shape, labels.shape))
        return labels

    labels = np.zeros(shape, np.uint8)
    labels[: -(-shape[0] // 2), : -(-shape[1] // 2)] = 7
    refined = limit_pixels(refine, max_pixels=3000)(np.zeros((*shape, 3), np.uint8), labels)
    assert refined.shape == shape and refined.dtype == np.uint8
    assert (refined == labels).mean() > 0.9
    ((image_shape, label_shape),) = sizes
    assert image_shape == (*label_shape, 3)
    assert np.prod(label_shape) <= 3000 or min(label_shape) == 1


def test_leaves_other_images_alone():
    image, labels = np.zeros((30, 100, 3), np.uint8), np.zeros((30, 100), np.uint8)
    seen = []
    assert limit_pixels(lambda *given: seen.append(given) or labels, 3000)(image, labels) is labels
    assert seen[0][0] is image and seen[0][1] is labels


def test_crf_of_a_panorama():
    """12,000 pixels wide, with a bound small enough for a test."""
    cams = np.zeros((1, 100, 12000), np.float32)
    cams[:, :, 3000:9000] = 1
    image = np.repeat((cams[0, :, :, None] * 200).astype(np.uint8), 3, axis=2)
    crf = dict(type='DenseCRF', bilateral=dict(sxy=40, srgb=5, compat=5), iterations=2)
    rule = LabelRule(0.5, dict(crf, max_pixels=1 << 17))
    labels = rule.apply(CAMFile(cams, np.array([2]), ('x',), ''), image)
    assert labels.shape == (100, 12000)
    assert (labels == cams[0] * 3).mean() > 0.99
