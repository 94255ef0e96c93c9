"""Average precision of image-level predictions."""

from __future__ import annotations

import numpy as np


def mean_average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the average precision (area under the precision-recall steps).

    Equal scores count as one step, so the order of images has no influence. Classes without a
    positive image are left out.

    Args:
        scores: Higher means more likely present, float (N, C).
        labels: Multi-hot truth, (N, C).

    Returns:
        A number in [0, 1]; NaN if no class has a positive image.
    """
    values = [
        _average_precision(scores[:, index], labels[:, index] > 0)
        for index in range(scores.shape[1])
        if (labels[:, index] > 0).any()
    ]
    return float(np.mean(values)) if values else float('nan')


def _average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    order = np.argsort(-scores, kind='stable')
    hits = positive[order].cumsum()
    last_of_step = np.append(np.diff(scores[order]) != 0, True)
    rank = np.flatnonzero(last_of_step) + 1
    recall_gain = np.diff(hits[last_of_step], prepend=0) / hits[-1]
    return float((recall_gain * hits[last_of_step] / rank).sum())
