from __future__ import annotations

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from weaktr_mmseg.pseudo_labels.threshold_choice import (
    METHODS,
    check_threshold,
    choose_threshold,
    otsu_threshold,
    score_histogram,
)


def otsu_by_brute_force(histogram):
    """Splits the single scores at every edge and compares the variance within the parts."""
    scores = np.repeat((np.arange(len(histogram)) + 0.5) / len(histogram), histogram)
    edges = np.arange(1, len(histogram)) / len(histogram)
    within = []
    for edge in edges:
        parts = scores[scores < edge], scores[scores > edge]
        within.append(sum(len(part) * part.var() for part in parts if len(part)))
    minima = np.flatnonzero(np.isclose(within, min(within)))
    return edges[minima].mean()


@pytest.mark.parametrize('seed', range(5))
def test_otsu_equals_brute_force(seed):
    histogram = np.random.default_rng(seed).integers(0, 9, 17)
    assert otsu_threshold(histogram) == pytest.approx(otsu_by_brute_force(histogram))


@pytest.mark.parametrize('seed', range(3))
def test_otsu_agrees_with_scikit_image(seed):
    rng = np.random.default_rng(seed)
    scores = np.concatenate((rng.normal(0.3, 0.1, 3000), rng.normal(0.7, 0.08, 1000)))
    histogram, edges = np.histogram(scores.clip(0, 1), 100, (0, 1))
    centre = threshold_otsu(hist=(histogram, (edges[:-1] + edges[1:]) / 2))
    assert otsu_threshold(histogram) == pytest.approx(centre + 0.005)  # its upper edge


def test_otsu_takes_the_middle_of_a_gap():
    histogram = np.zeros(10, int)
    histogram[[1, 2, 7, 8]] = 5
    assert otsu_threshold(histogram) == pytest.approx(0.5)


@pytest.mark.parametrize('occupied', [0, 1])
def test_otsu_needs_two_bins(occupied):
    histogram = np.zeros(10, int)
    histogram[:occupied] = 5
    with pytest.raises(ValueError, match=f'at least two bins, got {occupied}'):
        otsu_threshold(histogram)


def test_score_histogram_counts_every_pixel_of_every_map():
    rng = np.random.default_rng(0)
    for count in (1, 3):
        cams = (rng.integers(0, 41, (count, 9, 11)) / 40).astype(np.float32)
        expected, _ = np.histogram(cams, 100, (0, 1))
        np.testing.assert_array_equal(score_histogram(cams, 100), expected)


def test_score_histogram_of_an_image_without_classes():
    assert score_histogram(np.zeros((0, 4, 5), np.float32), 10).tolist() == [0] * 10


def test_threshold_of_maps_does_not_rise_with_the_number_of_classes():
    """Maps of one mixture: the largest of several is higher, their own scores are not."""
    rng = np.random.default_rng(0)
    maps = rng.choice([0.2, 0.7], p=[0.8, 0.2], size=(4, 100, 100)) + rng.normal(
        0, 0.08, (4, 100, 100)
    )
    maps = maps.clip(0, 1)
    alone, together = (otsu_threshold(score_histogram(m, 100)) for m in (maps[:1], maps))
    assert together == pytest.approx(alone, abs=0.011)
    assert otsu_threshold(score_histogram(maps.max(axis=0)[None], 100)) >= together


def peaked(seed=0):
    """Scores of maps most of whose object scores low: background, object, and its peak."""
    rng = np.random.default_rng(seed)
    parts = [abs(rng.normal(0, 0.01, 8000)), rng.beta(2, 6, 2000) * 0.9 + 0.05]
    return np.histogram(np.concatenate(parts).clip(0, 1), 100, (0, 1))[0]


def test_a_number_is_returned_whatever_the_maps():
    assert choose_threshold(0.437, np.zeros(100, int)) == (0.437, 'fixed')
    assert choose_threshold(0, peaked()) == (0.0, 'fixed')


@pytest.mark.parametrize('seed', range(3))
def test_methods_choose_in_steps_of_a_hundredth(seed):
    histogram = peaked(seed)
    plain, root = (choose_threshold(name, histogram) for name in ('otsu', 'otsu_sqrt'))
    assert plain == (round(otsu_threshold(histogram), 2), 'label-free')
    assert root.chosen_by == 'label-free'
    # Otsu on the square roots by their single values.
    scores = np.repeat((np.arange(100) + 0.5) / 100, histogram)
    edges = np.arange(1, 100) / 100
    within = [
        sum(len(part) * np.sqrt(part).var() for part in (scores[scores < e], scores[scores > e]))
        for e in edges[:60]
    ]
    assert root.value == pytest.approx(edges[np.argmin(within)], abs=1e-6)
    assert root.value < plain.value - 0.03


def test_auto_goes_by_the_median():
    broad = np.histogram(np.random.default_rng(0).beta(1.5, 4, 9000), 100, (0, 1))[0]
    for histogram, name in ((peaked(), 'otsu_sqrt'), (broad, 'otsu')):
        other = {'otsu_sqrt': 'otsu', 'otsu': 'otsu_sqrt'}[name]
        assert choose_threshold('auto', histogram) == choose_threshold(name, histogram)
        assert choose_threshold('auto', histogram) != choose_threshold(other, histogram)
    half = np.zeros(100, int)
    half[[9, 60]] = 5, 5  # half of the scores below a tenth is not more than half
    half[10] = 1
    assert choose_threshold('auto', half) == choose_threshold('otsu', half)


@pytest.mark.parametrize('name', sorted(METHODS))
def test_maps_that_are_all_alike_have_no_threshold(name):
    with pytest.raises(ValueError, match=f"all maps are alike, so '{name}' finds none; set a num"):
        choose_threshold(name, np.eye(1, 100, 7, dtype=int)[0])


@pytest.mark.parametrize('threshold', ['best', -0.1, 1.5, None, float('nan'), True])
def test_refuses_what_is_neither_number_nor_method(threshold):
    message = r"threshold: expected a number in \[0, 1\] or one of 'otsu', .*'auto', got "
    with pytest.raises(ValueError, match=message):
        check_threshold(threshold)
    with pytest.raises(ValueError, match=message):
        choose_threshold(threshold, np.zeros(100, int))
