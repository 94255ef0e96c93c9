"""Confusion matrices and the IoU that follows from them."""

from __future__ import annotations

import numpy as np

from .masks import IGNORE_INDEX


def confusion_matrix(truth: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts pixels per (truth, prediction); 255 in either is left out.

    Args:
        truth: Labels, uint8 (H, W).
        labels: Predicted labels, uint8 (H, W).
        num_classes: Number of classes with background.

    Returns:
        int64 (num_classes, num_classes).

    Raises:
        ValueError: If sizes differ or either holds an unknown label.
    """
    if truth.shape != labels.shape:
        raise ValueError(f'truth: expected size {labels.shape}, got {truth.shape}')
    known = (truth != IGNORE_INDEX) & (labels != IGNORE_INDEX)
    rows, columns = truth[known].astype(np.int64), labels[known].astype(np.int64)
    for name, values in (('truth', rows), ('labels', columns)):
        highest = values.max(initial=0)
        if highest >= num_classes:
            raise ValueError(f'{name}: expected labels below {num_classes} or 255, got {highest}')
    cell = rows * num_classes + columns
    return np.bincount(cell, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class.

    Args:
        confusion: Counts, integer (..., truth, prediction).

    Returns:
        Percent, float64 (..., C); NaN where a class neither occurs nor is predicted.

    Examples:
        >>> class_iou(np.array([[6, 2, 0], [0, 2, 0], [0, 0, 0]]))
        array([75., 50., nan])
    """
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    union = confusion.sum(axis=-1) + confusion.sum(axis=-2) - hit
    return 100.0 * np.where(union > 0, hit / np.maximum(union, 1), np.nan)


def mean_iou(confusion: np.ndarray) -> np.ndarray:
    """Mean of :func:`class_iou` over the classes that occur or are predicted.

    Args:
        confusion: Counts, integer (..., truth, prediction).

    Returns:
        Percent, float64 (...); NaN where there is no such class.
    """
    iou = class_iou(confusion)
    seen = ~np.isnan(iou)
    return np.where(seen, iou, 0).sum(-1) / np.where(seen.any(-1), seen.sum(-1), np.nan)
