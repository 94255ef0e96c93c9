"""mIoU at all background thresholds in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..utils.confusion import class_iou, mean_iou
from ..utils.masks import IGNORE_INDEX
from ..utils.moved import moved_names
from .labelling import winning_map

MAX_CELLS = 2**16


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

    Examples:
        >>> sweep = ThresholdSweep(num_classes=2, thresholds=[0.2, 0.4, 0.6])
        >>> cams = np.array([[[0.1, 0.3, 0.5, 0.9]]])  # one map, of the class with the label 1
        >>> sweep.update(cams, class_ids=[0], truth=np.array([[0, 0, 1, 1]]))
        >>> result = sweep.compute()
        >>> float(result.thresholds[result.best]), float(result.miou.max())
        (0.4, 100.0)
        >>> round(result.at(0.6), 1)
        58.3
    """

    def __init__(self, num_classes: int, thresholds: Sequence[float] | np.ndarray) -> None:
        self.num_classes = num_classes
        self.thresholds = np.asarray(thresholds, dtype=np.float64)
        if self.thresholds.ndim != 1 or (np.diff(self.thresholds) <= 0).any():
            raise ValueError(f'thresholds: expected strictly ascending numbers, got {thresholds}')
        self._bins = len(self.thresholds) + 1
        # Row of each label: its own, one for 255, one for unknown labels.
        self._rows = np.full(256, num_classes + 1, np.int32)
        self._rows[:num_classes] = np.arange(num_classes)
        self._rows[IGNORE_INDEX] = num_classes
        # counts[truth, winner, bin]: bin b holds scores above exactly b thresholds
        self.counts = np.zeros((num_classes, num_classes, self._bins), dtype=np.int64)

    def update(
        self, cams: np.ndarray, class_ids: Sequence[int] | np.ndarray, truth: np.ndarray
    ) -> None:
        """Adds an image.

        Args:
            cams: Maps in [0, 1], float (K, H, W).
            class_ids: Foreground ids (0-based), ``K``.
            truth: Labels, integer (H, W), 255 left out.

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
        if truth.dtype != np.uint8:
            if truth.size and not 0 <= truth.min() <= truth.max() <= IGNORE_INDEX:
                raise ValueError(
                    f'truth: expected labels below {self.num_classes} or 255, '
                    f'got {truth.min()} to {truth.max()}'
                )
            truth = truth.astype(np.uint8)
        present = np.asarray(class_ids, dtype=np.int64) + 1  # labels, of background without maps
        maps, labels = (cams, present) if len(cams) else (np.zeros((1, *truth.shape)), [0])
        score, winner = winning_map(maps)  # (H, W) each
        # The comparison is made in the precision of the scores, as argmax of [t, cams...] does.
        edges = self.thresholds.astype(score.dtype)
        cell = self._rows.take(truth)
        cell *= len(labels)
        cell += winner
        cell *= self._bins
        cell += count_below(edges, score)
        counts = np.bincount(
            cell.ravel(), minlength=(self.num_classes + 2) * len(labels) * self._bins
        )
        counts = counts.reshape(-1, len(labels), self._bins)
        if counts[-1].any():
            highest = truth[truth != IGNORE_INDEX].max()
            raise ValueError(
                f'truth: expected labels below {self.num_classes} or 255, got {highest}'
            )
        self.counts[:, labels] += counts[: self.num_classes]

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
        return SweepResult(self.thresholds, class_iou(matrix), mean_iou(matrix))


def count_below(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Counts for each value the edges below it, as ``searchsorted(edges, values, 'left')`` does.

    Values are sent to equal cells so small that none holds two edges; multiplying by a power of 2
    and truncating never changes the order of two numbers, so all edges in lower cells are below,
    none in higher cells is, and one comparison decides about the edge in the value's own cell.

    Args:
        edges: Ascending, float (T,).
        values: Any shape, of the dtype of the edges.

    Returns:
        int32, of the shape of the values.
    """
    wide = np.result_type(edges, np.float32)
    edges, values = edges.astype(wide), values.astype(wide, copy=False)
    cells = 1
    while (np.diff(_cell_of(edges, cells)) == 0).any():
        cells *= 2
        if cells > MAX_CELLS:  # edges closer than that, or several outside of [0, 1]
            return np.searchsorted(edges, values, side='left').astype(np.int32)
    below = np.searchsorted(_cell_of(edges, cells), np.arange(cells + 1)).astype(np.int32)
    own = np.full(cells + 1, np.inf, wide)
    own[_cell_of(edges, cells)] = edges
    cell = _cell_of(values, cells)
    count = below.take(cell)
    count += values > own.take(cell)
    return count


def _cell_of(values: np.ndarray, cells: int) -> np.ndarray:
    return (values * cells).clip(0, cells).astype(np.int32)


__getattr__ = moved_names(__name__)
