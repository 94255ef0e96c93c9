"""mIoU at every background threshold agrees with the authors' implementation to 1e-3 points."""

from __future__ import annotations

import numpy as np

from weaktr_mmseg.pseudo_labels.labelling import label_map
from weaktr_mmseg.pseudo_labels.thresholds import ThresholdSweep
from weaktr_mmseg.utils.confusion import confusion_matrix, mean_iou

from looping import some

GOLDEN_PATTERN = 'threshold_sweep*.npz'
POINTS = 1e-3


def images(golden):
    """Maps, foreground ids and truth of each image."""
    for name in golden.groups('i'):
        cams = golden[f'{name}/cam_uint8'].astype(np.float32) / 255
        yield cams, golden[f'{name}/cam_keys'], golden[f'{name}/gt']


def test_miou_at_every_threshold(golden):
    sweep = ThresholdSweep(int(golden['num_classes_with_background']), golden['thresholds'])
    for image in images(golden):
        sweep.update(*image)
    miou = sweep.compute().miou
    np.testing.assert_allclose(miou, golden['miou_percent'], rtol=0, atol=POINTS)


def test_label_maps_score_the_same(golden):
    """The path that writes masks, at some of the thresholds."""
    classes = int(golden['num_classes_with_background'])
    for index in some(range(0, len(golden['thresholds']), 10)):
        threshold = float(golden['thresholds'][index])
        confusion = sum(
            confusion_matrix(truth, label_map(cams, ids, threshold), classes)
            for cams, ids, truth in images(golden)
        )
        assert abs(mean_iou(confusion) - golden['miou_percent'][index]) <= POINTS
