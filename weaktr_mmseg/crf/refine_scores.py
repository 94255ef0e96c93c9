"""Refinement of a segmentor's scores as in the published evaluation."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .dense_crf import unary_from_probabilities

#: Probabilities (L, H, W) from an RGB image, uint8 (H, W, 3), and energies (L, H, W).
Refine = Callable[[Tensor, Tensor], Tensor]


def refine_scores(image: Tensor, scores: Tensor, crf: Refine) -> Tensor:
    """Refines scores among the classes that win at least one pixel.

    The other classes are dropped and nothing is renormalised; energies are
    ``-ln(clip(score, 1e-5, 1))``, so that a score above 1 counts as certain. It is what produced
    the published scores, and on COCO most of the CRF's time is saved.

    Args:
        image: RGB image, uint8 (H, W, 3).
        scores: Score of each class, float (K, H, W): probabilities, or weighted sums of them.
        crf: A :class:`DenseCRF`, or what has its call.

    Returns:
        Class ids, int64 (H, W).
    """
    labels = scores.argmax(dim=0)
    winners = labels.unique()  # ascending
    if len(winners) == 1:
        return labels
    refined = crf(image, unary_from_probabilities(scores[winners]))
    return winners[refined.argmax(dim=0)]
