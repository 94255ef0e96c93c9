from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.pseudo_labels.labelling import label_map, winning_class

IDS = [4, 0, 2]


@pytest.fixture
def cams():
    return np.random.default_rng(0).random((3, 6, 8), dtype=np.float32)


def test_winning_class_by_loops(cams):
    score, label = winning_class(cams, IDS)
    for y, x in np.ndindex(6, 8):
        best = max(range(3), key=lambda k: cams[k, y, x])
        assert score[y, x] == cams[best, y, x]
        assert label[y, x] == IDS[best] + 1
    assert label.dtype == np.uint8


def test_first_of_equal_scores_wins():
    _, label = winning_class(np.full((3, 1, 1), 0.5, np.float32), IDS)
    assert label == IDS[0] + 1


@pytest.mark.parametrize('threshold', [0.0, 0.43, 0.8, 1.0])
def test_is_the_argmax_with_a_constant_background(cams, threshold):
    background = np.full((1, 6, 8), threshold, np.float32)
    winner = np.concatenate((background, cams)).argmax(0)
    expected = np.array([0, *(class_id + 1 for class_id in IDS)])[winner]
    labels = label_map(cams, IDS, threshold)
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.uint8


def test_background_wins_a_tie():
    assert label_map(np.full((1, 1, 1), 0.5, np.float32), [0], 0.5) == 0


def test_image_without_classes_is_background():
    labels = label_map(np.zeros((0, 3, 4), np.float32), [], 0.0)
    assert labels.shape == (3, 4)
    assert not labels.any()


def test_band_around_the_threshold_is_ignored():
    cams = np.array([[[0.2, 0.35, 0.45, 0.6]]], np.float32)
    assert label_map(cams, [1], 0.4, ignore_band=0.1).tolist() == [[0, 255, 255, 2]]
    assert label_map(cams, [1], 0.4).tolist() == [[0, 0, 2, 2]]


def test_the_edge_of_the_band_is_not_ignored():
    cams = np.array([[[0.25, 0.3125, 0.6875, 0.75]]], np.float32)  # exact in binary
    assert label_map(cams, [1], 0.5, ignore_band=0.25).tolist() == [[0, 255, 255, 2]]


def swap(image, labels):
    """Stands for a CRF: relabels where the image is white."""
    return np.where(image[..., 0] == 255, 7, labels).astype(np.int64)


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, [[0, 7, 2, 7]]),
        (dict(ignore_disagreement=True), [[0, 255, 2, 255]]),
        (dict(ignore_band=0.1), [[0, 255, 255, 7]]),
    ],
)
def test_refinement(options, expected):
    cams = np.array([[[0.2, 0.35, 0.45, 0.6]]], np.float32)
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, [1, 3]] = 255
    labels = label_map(cams, [1], 0.4, image=image, refine=swap, **options)
    assert labels.tolist() == expected
    assert labels.dtype == np.uint8


def test_refinement_needs_the_image(cams):
    with pytest.raises(ValueError, match='image: expected the RGB image that refine needs'):
        label_map(cams, IDS, 0.4, refine=swap)
