"""From class activation maps to label maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..utils.masks import IGNORE_INDEX

Refine = Callable[[np.ndarray, np.ndarray], np.ndarray]


def winning_class(
    cams: np.ndarray, class_ids: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Score and label of the strongest class at each pixel; the background takes no part.

    The background score is a constant, so it decides whether a pixel is foreground but never which
    class: everything that depends on the threshold can be had from these two arrays.

    Args:
        cams: Maps in [0, 1], float (K, H, W); the first of equal scores wins.
        class_ids: Foreground ids (0-based), ``K``.

    Returns:
        Score, float (H, W), and label (foreground id + 1), uint8 (H, W).
    """
    if len(cams) == 0:
        return np.zeros(cams.shape[1:], cams.dtype), np.zeros(cams.shape[1:], np.uint8)
    score, winner = winning_map(cams)
    labels = np.asarray(class_ids, dtype=np.uint8) + 1
    return score, labels.take(winner)


def winning_map(cams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum and argmax over maps, several times as fast as ``argmax(axis=0)`` for few of them.

    Args:
        cams: Maps, float (K, H, W), ``0 < K < 256``; the first of equal scores wins.

    Returns:
        Score, float (H, W), and index of the map, uint8 (H, W).
    """
    score = cams[0].copy()
    winner = np.zeros(score.shape, np.uint8)
    for index in range(1, len(cams)):
        np.copyto(winner, np.uint8(index), where=cams[index] > score)
        np.maximum(score, cams[index], out=score)
    return score, winner


def label_map(
    cams: np.ndarray,
    class_ids: Sequence[int] | np.ndarray,
    threshold: float,
    *,
    ignore_band: float = 0.0,
    image: np.ndarray | None = None,
    refine: Refine | None = None,
    ignore_disagreement: bool = False,
) -> np.ndarray:
    """Turns class activation maps into a label map.

    A pixel takes the label of its strongest class if that scores more than ``threshold``, else
    background (argmax of ``[threshold, cams...]``).

    Args:
        cams: Maps in [0, 1], float (K, H, W).
        class_ids: Foreground ids (0-based), ``K``.
        threshold: Background score.
        ignore_band: Pixels whose best score is within this distance of the threshold become 255.
        image: RGB image, uint8 (H, W, 3), needed by ``refine``.
        refine: Maps (image, label map) to a label map, such as a refiner.
        ignore_disagreement: Pixels that ``refine`` relabels become 255.

    Returns:
        Labels, uint8 (H, W): 0 background, foreground id + 1, or 255.

    Raises:
        ValueError: If ``refine`` is given without ``image``.
    """
    score, winner = winning_class(cams, class_ids)
    labels = np.where(score > threshold, winner, 0).astype(np.uint8)
    if refine is not None:
        if image is None:
            raise ValueError('image: expected the RGB image that refine needs, got None')
        refined = refine(image, labels)
        labels = (
            np.where(refined == labels, refined, IGNORE_INDEX) if ignore_disagreement else refined
        )
        labels = labels.astype(np.uint8)
    if ignore_band > 0:
        labels[np.abs(score - threshold) < ignore_band] = IGNORE_INDEX
    return labels
