"""The CRF gives the label maps of the authors' implementation, on >= 99.5 % of the pixels."""

from __future__ import annotations

import pytest

from weaktr_mmseg.refinement import DenseCRFRefiner

GOLDEN_PATTERN = 'multiscale_cam*.npz'


@pytest.mark.parametrize('preset', ['voc', 'coco'])
def test_golden_label_maps_after_the_crf(golden, preset):
    refiner = DenseCRFRefiner(preset=f'{preset}_cam')
    images = golden.groups('img')
    assert images
    for name in images:
        labels = golden[f'{name}/cam_keys'] + 1  # present classes, whether they won a pixel or not
        refined = refiner.refine_labels(
            golden[f'{name}/image'], golden[f'{name}/pseudo'], labels.tolist()
        )
        assert (refined == golden[f'{name}/pseudo_crf_{preset}']).mean() >= 0.995
