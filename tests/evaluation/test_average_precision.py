from __future__ import annotations

import numpy as np
import pytest

from weaktr_mmseg.evaluation.average_precision import mean_average_precision


def naive(scores, labels):
    """Precision and recall of 'everything at least this score', one threshold after another."""
    values = []
    for score, label in zip(scores.T, labels.T):
        if not label.any():
            continue
        value = recall_before = 0.0
        for threshold in sorted(set(score), reverse=True):
            chosen = score >= threshold
            hits = np.sum(chosen & (label > 0))
            recall = hits / np.sum(label > 0)
            value += (recall - recall_before) * hits / chosen.sum()
            recall_before = recall
        values.append(value)
    return np.mean(values)


@pytest.mark.parametrize('levels', [4, 1000], ids=['many equal scores', 'few equal scores'])
def test_equals_naive_reference(levels):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, levels, (30, 5)) / levels
    labels = (rng.random((30, 5)) < 0.3).astype(np.float32)
    labels[:, 2] = 0  # a class without a positive image
    labels[:, 3] = 1
    assert mean_average_precision(scores, labels) == pytest.approx(naive(scores, labels))


def test_order_of_images_has_no_influence():
    rng = np.random.default_rng(1)
    scores, labels = rng.integers(0, 3, (20, 4)) / 3, rng.random((20, 4)) < 0.5
    order = rng.permutation(20)
    expected = mean_average_precision(scores, labels)
    assert mean_average_precision(scores[order], labels[order]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('scores', 'expected'),
    [([0.9, 0.8, 0.1], 1.0), ([0.1, 0.8, 0.9], (1 / 2 + 2 / 3) / 2), ([0.5, 0.5, 0.5], 2 / 3)],
    ids=['perfect', 'reversed', 'undecided'],
)
def test_by_hand(scores, expected):
    value = mean_average_precision(np.array(scores)[:, None], np.array([[1], [1], [0]]))
    assert value == pytest.approx(expected)


def test_nan_without_any_positive():
    assert np.isnan(mean_average_precision(np.ones((3, 2)), np.zeros((3, 2))))
