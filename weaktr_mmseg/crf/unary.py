"""Energies of a CRF: negative logarithms of the probabilities of labels."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ..utils.masks import IGNORE_INDEX

Array = TypeVar('Array', np.ndarray, Tensor)


def label_probabilities(labels: Array, num_labels: int, confidence: float = 0.7) -> Array:
    """Turns a label map into probabilities.

    The label of the map has the given probability, the others share the rest.

    Args:
        labels: Label of each pixel, integer (H, W), each less than ``num_labels``; 255 says nothing
            about a pixel: all labels are equally likely there.
        num_labels: Number of labels, ``L``.
        confidence: Probability that the label is right.

    Returns:
        Probabilities, float32 (L, H, W), array or tensor as the labels were.

    Raises:
        ValueError: If a label or the confidence is out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f'confidence: expected a number between 0 and 1, got {confidence}')
    given = torch.as_tensor(labels).long()
    known = given != IGNORE_INDEX
    chosen: Tensor = given.masked_fill(~known, 0)
    if num_labels < 1 or bool((chosen < 0).any()) or bool((chosen >= num_labels).any()):
        raise ValueError(
            f'labels: expected 0 to {num_labels - 1} or {IGNORE_INDEX}, '
            f'got {given.unique().tolist()}'
        )
    others = (1 - confidence) / max(num_labels - 1, 1)
    probabilities = torch.full((num_labels, *chosen.shape), others, device=chosen.device)
    probabilities.scatter_(0, chosen[None], confidence)
    probabilities[:, ~known] = 1 / num_labels
    return probabilities if isinstance(labels, Tensor) else probabilities.numpy()


def unary_from_labels(labels: Array, num_labels: int, confidence: float = 0.7) -> Array:
    """Turns a label map into energies, the negative logarithms of :func:`label_probabilities`.

    Args:
        labels: As there.
        num_labels: As there.
        confidence: As there.

    Returns:
        Energies, float32 (L, H, W), array or tensor as the labels were.

    Raises:
        ValueError: If a label or the confidence is out of range.
    """
    unary = torch.as_tensor(label_probabilities(labels, num_labels, confidence)).log_().neg_()
    return unary if isinstance(labels, Tensor) else unary.numpy()


def unary_from_probabilities(probabilities: Array, clip: float = 1e-5) -> Array:
    """Turns probabilities into energies.

    Args:
        probabilities: Probability of each label, float (L, H, W); sums above 1 count as 1.
        clip: Smaller probabilities are raised to this, so that no label is impossible.

    Returns:
        Negative log-probabilities, float32 (L, H, W), array or tensor as the input was.

    Raises:
        ValueError: If a number is negative, as logits are, NaN or infinite.
    """
    given = torch.as_tensor(probabilities)
    check_probabilities(given)
    unary = given.float().clamp(clip, 1).log_().neg_()
    return unary if isinstance(probabilities, Tensor) else unary.numpy()


def check_probabilities(probabilities: Tensor) -> None:
    """Refuses what is no probability nor a sum of some.

    Args:
        probabilities: Any shape.

    Raises:
        ValueError: If a number is negative, as logits are, NaN or infinite.
    """
    lowest, highest = probabilities.aminmax()
    if lowest >= 0 and highest < torch.inf:  # NaN compares as false
        return
    missing = int(probabilities.isnan().sum())
    found = f'{missing} NaN' if missing else f'{lowest:.4g} to {highest:.4g}'
    raise ValueError(
        f'probabilities: expected finite numbers of at least 0, got {found} in '
        f'{probabilities.numel()}; logits need a softmax first'
    )


def check_image_and_scores(image: Tensor, scores: Tensor, name: str) -> None:
    """Refuses an image and scores that are not of one size, or of other types.

    Args:
        image: Expected to be uint8 (H, W, 3).
        scores: Expected to be float (L, H, W).
        name: What the message calls the scores.

    Raises:
        ValueError: If they are not.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != torch.uint8:
        raise ValueError(f'image: expected uint8 (H, W, 3), got {image.dtype} {tuple(image.shape)}')
    if scores.ndim != 3 or scores.shape[1:] != image.shape[:2] or not scores.is_floating_point():
        raise ValueError(
            f'{name}: expected float (L, {image.shape[0]}, {image.shape[1]}), '
            f'got {scores.dtype} {tuple(scores.shape)}'
        )


def check_finite(unary: Tensor) -> None:
    """Refuses energies of which one is NaN or infinite: it would spread over the whole image.

    Raises:
        ValueError: If there is one.
    """
    if not torch.stack(unary.aminmax()).isfinite().all():
        raise ValueError(
            f'unary: expected finite energies, got {int(unary.isnan().sum())} NaN and '
            f'{int(unary.isinf().sum())} infinite of {unary.numel()}, the first at '
            f'(label, row, column) {tuple((~unary.isfinite()).nonzero()[0].tolist())}; for '
            'a label that is as good as impossible use -log(1e-5)'
        )
