"""Background thresholds: mIoU at all of them in one pass, and choices that need no mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .cam_files import IGNORE_INDEX
from .labelling import winning_class


class SweepResult(NamedTuple):
    """mIoU over thresholds.

    Attributes:
        thresholds: Ascending, (T,).
        iou: IoU of each class at each threshold in percent, (T, C + 1), NaN where a class neither
            occurs nor is predicted.
        miou: Mean over the classes, percent, (T,).
    """

    thresholds: np.ndarray
    iou: np.ndarray
    miou: np.ndarray

    @property
    def best(self) -> int:
        """Index of the best threshold (the lowest of equals)."""
        return int(np.nanargmax(self.miou))

    def at(self, threshold: float) -> float:
        """mIoU in percent at a threshold of the sweep.

        Raises:
            ValueError: If the sweep does not contain the threshold.
        """
        index = int(np.abs(self.thresholds - threshold).argmin())
        if not np.isclose(self.thresholds[index], threshold):
            raise ValueError(f'threshold: expected one of the sweep, got {threshold}')
        return float(self.miou[index])


class ThresholdSweep:
    """mIoU at every background threshold from one histogram of the winning scores.

    A background threshold never changes which foreground class wins, so the confusion matrix at
    any threshold follows from counting, per (truth, winner), how many winning scores lie between
    two consecutive thresholds. Nothing else of an image is kept, and histograms of several
    processes add up.

    Args:
        num_classes: Number of classes with background, ``C + 1``.
        thresholds: Background scores, ascending, (T,).

    Raises:
        ValueError: If the thresholds are not strictly ascending.
    """

    def __init__(self, num_classes: int, thresholds: Sequence[float]) -> None:
        self.num_classes = num_classes
        self.thresholds = np.asarray(thresholds, dtype=np.float64)
        if self.thresholds.ndim != 1 or (np.diff(self.thresholds) <= 0).any():
            raise ValueError(f'thresholds: expected strictly ascending numbers, got {thresholds}')
        self._bins = len(self.thresholds) + 1
        # counts[truth, winner, bin]: bin b holds scores above exactly b thresholds
        self.counts = np.zeros((num_classes, num_classes, self._bins), dtype=np.int64)

    def update(
        self, cams: np.ndarray, class_ids: Sequence[int] | np.ndarray, truth: np.ndarray
    ) -> None:
        """Adds an image.

        Args:
            cams: Maps in [0, 1], float (K, H, W).
            class_ids: Foreground ids (0-based), ``K``.
            truth: Labels, uint8 (H, W), 255 left out.

        Raises:
            ValueError: If sizes differ, or an id or a label of the truth is unknown.
        """
        if cams.shape[1:] != truth.shape:
            raise ValueError(
                f'truth: expected size {cams.shape[1:]} of the maps, got {truth.shape}'
            )
        if len(class_ids) and max(class_ids) + 1 >= self.num_classes:
            raise ValueError(
                f'class_ids: expected ids below {self.num_classes - 1}, got {max(class_ids)}'
            )
        score, winner = winning_class(cams, class_ids)
        valid = truth != IGNORE_INDEX
        known = truth[valid].astype(np.int64)
        if known.size and known.max() >= self.num_classes:
            raise ValueError(
                f'truth: expected labels below {self.num_classes} or 255, got {known.max()}'
            )
        # The comparison is made in the precision of the scores, as argmax of [t, cams...] does.
        edges = self.thresholds.astype(score.dtype)
        above = np.searchsorted(edges, score[valid], side='left')
        cell = (known * self.num_classes + winner[valid]) * self._bins + above
        self.counts += np.bincount(cell, minlength=self.counts.size).reshape(self.counts.shape)

    def confusion(self) -> np.ndarray:
        """Confusion matrix at each threshold, int64 (T, truth, prediction)."""
        # score > thresholds[i]  <=>  bin > i
        foreground = self.counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1][:, :, 1:]
        matrix = np.moveaxis(foreground, 2, 0).copy()
        total = self.counts.sum(axis=(1, 2))
        matrix[:, :, 0] = total - matrix[:, :, 1:].sum(axis=2)
        return matrix

    def compute(self) -> SweepResult:
        """IoU and mIoU at each threshold."""
        matrix = self.confusion()
        hit = np.diagonal(matrix, axis1=1, axis2=2)
        union = matrix.sum(axis=1) + matrix.sum(axis=2) - hit
        with np.errstate(invalid='ignore'):
            iou = 100.0 * np.where(union > 0, hit / np.maximum(union, 1), np.nan)
        return SweepResult(self.thresholds, iou, np.nanmean(iou, axis=1))


def otsu_threshold(histogram: np.ndarray) -> float:
    """Threshold that best splits a histogram of scores in two, without any label.

    Maximises the variance between the two parts (Otsu, "A Threshold Selection Method from
    Gray-Level Histograms", 1979).

    Args:
        histogram: Counts of scores in equal bins over [0, 1], (bins,).

    Returns:
        Upper edge of the last bin of the lower part, in (0, 1).

    Raises:
        ValueError: If fewer than two bins are occupied.
    """
    if np.count_nonzero(histogram) < 2:
        raise ValueError(
            f'histogram: expected scores in at least two bins, got {np.count_nonzero(histogram)}'
        )
    weight = np.asarray(histogram, dtype=np.float64)
    centre = (np.arange(len(weight)) + 0.5) / len(weight)
    low, low_sum = weight.cumsum(), (weight * centre).cumsum()
    high, high_sum = low[-1] - low, low_sum[-1] - low_sum
    occupied = (low > 0) & (high > 0)
    gap = low_sum / np.where(occupied, low, 1) - high_sum / np.where(occupied, high, 1)
    variance = np.where(occupied, low * high * gap**2, -1)
    best = np.flatnonzero(np.isclose(variance, variance.max()))
    return float((best.mean() + 1) / len(weight))
