"""The background threshold: given, or chosen from the scores of all maps without any mask."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

SCORE_BINS = 100  # thresholds are chosen in steps of 0.01
# Medians of real maps: 0.01 to 0.05 where otsu_sqrt is better, 0.14 to 0.19 where it is not.
PEAKED_MEDIAN = 0.1


def score_histogram(cams: np.ndarray, bins: int) -> np.ndarray:
    """Counts the scores of an image's maps, from which :func:`otsu_threshold` finds a threshold.

    Every map counts with all its pixels, those included where another class scores more: each is
    scaled to [0, 1] by itself and is compared with the background score by itself. The largest
    score of each pixel would do as well for one class, but is biased upwards by several.

    Args:
        cams: Maps in [0, 1], float (K, H, W).
        bins: Number of equal bins over [0, 1].

    Returns:
        Counts, int64 (bins,).
    """
    bin_of = np.minimum(cams.ravel() * bins, bins - 1).astype(np.int64)
    return np.bincount(bin_of, minlength=bins)


def otsu_threshold(
    histogram: np.ndarray, scale: Callable[[np.ndarray], np.ndarray] | None = None
) -> float:
    """Threshold that best splits a histogram of scores in two, without any label.

    Maximises the variance between the two parts (Otsu, "A Threshold Selection Method from
    Gray-Level Histograms", 1979).

    Args:
        histogram: Counts of scores in equal bins over [0, 1], (bins,).
        scale: Maps scores to what the variance is taken of; by default to themselves.

    Returns:
        Upper edge of the last bin of the lower part, in (0, 1).

    Raises:
        ValueError: If fewer than two bins are occupied.

    Examples:
        >>> counts = np.zeros(100, np.int64)
        >>> counts[[20, 80]] = 300, 100  # scores of background and of objects
        >>> otsu_threshold(counts)
        0.505
    """
    if np.count_nonzero(histogram) < 2:
        raise ValueError(
            f'histogram: expected scores in at least two bins, got {np.count_nonzero(histogram)}'
        )
    weight = np.asarray(histogram, dtype=np.float64)
    centre = (np.arange(len(weight)) + 0.5) / len(weight)
    if scale is not None:
        centre = scale(centre)
    low, low_sum = weight.cumsum(), (weight * centre).cumsum()
    high, high_sum = low[-1] - low, low_sum[-1] - low_sum
    occupied = (low > 0) & (high > 0)
    gap = low_sum / np.where(occupied, low, 1) - high_sum / np.where(occupied, high, 1)
    variance = np.where(occupied, low * high * gap**2, -1)
    best = np.flatnonzero(np.isclose(variance, variance.max()))
    return float((best.mean() + 1) / len(weight))


def otsu_by_shape(histogram: np.ndarray) -> float:
    """Otsu's threshold, on the square roots of the scores if the maps are peaked.

    Maps are taken for peaked if more than half of the scores are below ``PEAKED_MEDIAN``.

    Args:
        histogram: As for :func:`otsu_threshold`.

    Returns:
        As :func:`otsu_threshold`.

    Raises:
        ValueError: If fewer than two bins are occupied.
    """
    low = histogram[: round(PEAKED_MEDIAN * len(histogram))].sum()
    return otsu_threshold(histogram, np.sqrt if 2 * low > histogram.sum() else None)


OTSU = 'otsu'
# Each finds a threshold in (0, 1) in a histogram of scores, see `score_histogram`.
METHODS: dict[str, Callable[[np.ndarray], float]] = {
    OTSU: otsu_threshold,
    'otsu_sqrt': partial(otsu_threshold, scale=np.sqrt),
    'auto': otsu_by_shape,
}


class ThresholdChoice(NamedTuple):
    """A background threshold, and who chose it.

    Attributes:
        value: Background score in [0, 1].
        chosen_by: ``'fixed'`` by the user, or ``'label-free'`` from the maps alone.
    """

    value: float
    chosen_by: str


def check_threshold(threshold: float | str) -> None:
    """Refuses what is neither a number in [0, 1] nor the name of a method.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(threshold, str):
        known = threshold in METHODS
    else:
        number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
        known = number and 0 <= threshold <= 1
    if not known:
        raise ValueError(
            'threshold: expected a number in [0, 1] or one of '
            f'{", ".join(map(repr, METHODS))}, got {threshold!r}'
        )


def choose_threshold(threshold: float | str, histogram: np.ndarray) -> ThresholdChoice:
    """Returns the threshold, or chooses it by the method named.

    * ``'otsu'``: Otsu's method on the scores.
    * ``'otsu_sqrt'``: Otsu's method on their square roots, for peaked maps, of which a small part
      of each object scores high: it spreads the low scores, among which their best threshold lies.
    * ``'auto'``: ``'otsu_sqrt'`` if the maps are peaked, else ``'otsu'``, see
      :func:`otsu_by_shape`.

    Args:
        threshold: A number in [0, 1], which is returned, or the name of a method.
        histogram: Scores of all maps, the sum of :func:`score_histogram`.

    Returns:
        The threshold, in steps of 0.01 where it was chosen, and who chose it.

    Raises:
        ValueError: If ``threshold`` is neither, or all scores are equal.

    Examples:
        >>> cams = np.array([[[0.1, 0.1, 0.1, 0.9]]])
        >>> choose_threshold('otsu', score_histogram(cams, SCORE_BINS))
        ThresholdChoice(value=0.51, chosen_by='label-free')
        >>> choose_threshold(0.43, score_histogram(cams, SCORE_BINS))
        ThresholdChoice(value=0.43, chosen_by='fixed')
    """
    check_threshold(threshold)
    if not isinstance(threshold, str):
        return ThresholdChoice(float(threshold), 'fixed')
    if np.count_nonzero(histogram) < 2:
        raise ValueError(
            f'threshold: all maps are alike, so {threshold!r} finds none; set a number'
        )
    return ThresholdChoice(round(METHODS[threshold](histogram), 2), 'label-free')
