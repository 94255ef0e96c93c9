from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.utils.confusion import class_iou, confusion_matrix, mean_iou


def test_confusion_matrix_leaves_out_255_on_either_side():
    truth = np.array([[0, 1, 1, 255, 2]], np.uint8)
    labels = np.array([[0, 0, 1, 1, 255]], np.uint8)
    assert confusion_matrix(truth, labels, 3).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ('truth', 'labels', 'message'),
    [
        ([[0, 1]], [[0]], r'truth: expected size \(1, 1\), got \(1, 2\)'),
        ([[2]], [[0]], 'truth: expected labels below 2 or 255, got 2'),
        ([[0]], [[2]], 'labels: expected labels below 2 or 255, got 2'),
    ],
)
def test_confusion_matrix_refuses(truth, labels, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(truth, np.uint8), np.array(labels, np.uint8), 2)


def test_mean_iou_over_the_classes_seen():
    confusion = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert mean_iou(confusion) == pytest.approx(100 * (6 / 9 + 3 / 6) / 2)
    assert np.isnan(mean_iou(np.zeros((2, 2), np.int64)))


def test_iou_of_several_matrices():
    confusion = np.random.default_rng(0).integers(0, 9, (4, 3, 3))
    confusion[1] = 0
    confusion[2, 1] = confusion[2, :, 1] = 0
    iou = class_iou(confusion)
    assert iou.shape == (4, 3)
    for matrix, row, mean in zip(confusion, iou, mean_iou(confusion)):
        for label in range(3):
            union = matrix[label].sum() + matrix[:, label].sum() - matrix[label, label]
            expected = 100 * matrix[label, label] / union if union else np.nan
            np.testing.assert_allclose(row[label], expected)
        np.testing.assert_equal(mean, np.nan if np.isnan(row).all() else np.nanmean(row))
