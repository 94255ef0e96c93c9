from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.pseudo_labels.count_files import read_counts, write_counts
from weaktr_mmseg.pseudo_labels.labelling import label_map
from weaktr_mmseg.pseudo_labels.thresholds import (
    SweepResult,
    ThresholdSweep,
    count_below,
)

CLASSES = 4  # with background
THRESHOLDS = np.arange(20) / 20


@pytest.fixture
def images():
    """Maps, ids and truth of three images; scores lie on thresholds as well as between them."""
    rng = np.random.default_rng(0)
    content = []
    for ids in ([0, 2], [1], [2, 1]):
        cams = (rng.integers(0, 41, (len(ids), 9, 11)) / 40).astype(np.float32)
        truth = rng.choice([0, *(class_id + 1 for class_id in ids), 255], (9, 11)).astype(np.uint8)
        content.append((cams, ids, truth))
    return content


def sweep_over(images, thresholds=THRESHOLDS, num_classes=CLASSES):
    sweep = ThresholdSweep(num_classes, thresholds)
    for image in images:
        sweep.update(*image)
    return sweep


def iou_at(images, threshold, num_classes):
    """Label maps first, then hits and unions by class."""
    pairs = [(truth, label_map(cams, ids, threshold)) for cams, ids, truth in images]
    truth, labels = (np.concatenate([array.ravel() for array in arrays]) for arrays in zip(*pairs))
    labels, truth = labels[truth != 255], truth[truth != 255]
    iou = []
    for index in range(num_classes):
        union = np.sum((truth == index) | (labels == index))
        hit = np.sum((truth == index) & (labels == index))
        iou.append(100 * hit / union if union else np.nan)
    return iou


def test_equals_an_evaluation_per_threshold(images):
    result = sweep_over(images).compute()
    expected = [iou_at(images, float(threshold), CLASSES) for threshold in THRESHOLDS]
    np.testing.assert_allclose(result.iou, expected)
    np.testing.assert_allclose(result.miou, np.nanmean(expected, axis=1))
    assert len(set(result.miou)) > 10


def test_confusion_counts_every_valid_pixel(images):
    matrix = sweep_over(images).confusion()
    assert (matrix.sum((1, 2)) == sum(np.sum(truth != 255) for *_, truth in images)).all()
    assert (np.diff(matrix[:, :, 0].sum(1)) >= 0).all()  # background grows with the threshold


def test_class_that_never_occurs_does_not_count(images):
    result = sweep_over(images, num_classes=CLASSES + 1).compute()
    assert np.isnan(result.iou[:, CLASSES]).all()
    np.testing.assert_allclose(result.miou, sweep_over(images).compute().miou)


def test_counts_of_two_processes_add_up(images):
    first, second = sweep_over(images[:1]), sweep_over(images[1:])
    np.testing.assert_array_equal(first.counts + second.counts, sweep_over(images).counts)


def test_image_without_classes_is_background():
    sweep = ThresholdSweep(2, [0.0, 0.5])
    sweep.update(np.zeros((0, 1, 2), np.float32), [], np.array([[0, 1]], np.uint8))
    assert sweep.confusion().tolist() == [[[1, 0], [1, 0]]] * 2


def test_truth_without_a_valid_pixel_adds_nothing(images):
    sweep = ThresholdSweep(CLASSES, THRESHOLDS)
    cams, ids, truth = images[0]
    sweep.update(cams, ids, np.full_like(truth, 255))
    assert not sweep.counts.any()


@pytest.mark.parametrize(
    ('cams', 'ids', 'truth', 'message'),
    [
        ((1, 4, 4), [0], np.zeros((4, 5)), r'expected size \(4, 4\) of the maps, got \(4, 5\)'),
        ((1, 4, 4), [0], np.full((4, 4), 3), 'expected labels below 3 or 255, got 3'),
        ((1, 4, 4), [2], np.zeros((4, 4)), 'class_ids: expected ids below 2, got 2'),
    ],
)
def test_refuses_what_does_not_fit(cams, ids, truth, message):
    with pytest.raises(ValueError, match=message):
        ThresholdSweep(3, THRESHOLDS).update(np.ones(cams, np.float32), ids, truth.astype(np.uint8))


@pytest.mark.parametrize('thresholds', [[0.2, 0.1], [0.1, 0.1], 0.5])
def test_refuses_thresholds_that_do_not_ascend(thresholds):
    with pytest.raises(ValueError, match='thresholds: expected strictly ascending numbers'):
        ThresholdSweep(2, thresholds)


def test_best_is_the_lowest_of_equals_and_skips_nan():
    result = SweepResult(np.array([0.1, 0.2, 0.3, 0.4]), None, np.array([np.nan, 3.0, 5.0, 5.0]))
    assert result.best == 2
    assert result.at(0.1 + 0.2) == 5.0
    with pytest.raises(ValueError, match='threshold: expected one of the sweep, got 0.25'):
        result.at(0.25)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    'edges',
    [
        np.arange(100) / 100,
        np.array([0.3]),
        np.array([0.43, 0.437, 0.44]),
        np.array([-0.5, 0.2, 0.8, 1.2, 1.5]),
        np.array([0.5, np.nextafter(np.float32(0.5), 1)], np.float32),
    ],
    ids=['steps', 'one', 'close', 'outside', 'adjacent'],
)
def test_count_below_is_a_search(edges, dtype):
    edges = np.unique(edges.astype(dtype))
    rng = np.random.default_rng(0)
    around = [np.nextafter(edges, dtype(end)) for end in (-9, 9)]
    values = np.concatenate((rng.uniform(-0.1, 1.6, 500).astype(dtype), edges, *around, [0, 1]))
    expected = np.searchsorted(edges, values.astype(dtype), side='left')
    np.testing.assert_array_equal(count_below(edges, values.astype(dtype)), expected)


def test_counts_come_back_under_their_key_alone(images, tmp_path):
    sweep = sweep_over(images)
    write_counts(tmp_path / 'a.npz', sweep, 'key b')
    cells, counts = read_counts(tmp_path / 'a.npz', 'key b')
    assert (sweep.counts.flat[cells] == counts).all() and counts.sum() == sweep.counts.sum()
    for other in ('key a', 'key c', ''):
        assert read_counts(tmp_path / 'a.npz', other) is None
