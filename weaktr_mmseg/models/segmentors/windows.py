"""Sliding windows over an image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def enlarge_small(images: Tensor, window: int) -> Tensor:
    """Enlarges images whose short side is below that of a window to the side of the window.

    The long side becomes ``trunc((long / short) * window)``, with the quotient first: 260 x 533
    pixels become 480 x 983. Bilinear, half-pixel centres.

    Args:
        images: (B, C, H, W), floating point.
        window: Least short side, in pixels.

    Returns:
        (B, C, H', W'); the images themselves if they are large enough.
    """
    short, long = sorted(images.shape[2:])
    if short >= window:
        return images
    enlarged = int(long / short * window)
    size = [window if side == short else enlarged for side in images.shape[2:]]
    return F.interpolate(images, size=size, mode='bilinear', align_corners=False)


def window_starts(side: int, window: int, stride: int) -> list[int]:
    """Returns where windows begin along a side: every stride, and one that ends at the border.

    Args:
        side: Length of the image, in pixels.
        window: Length of a window; a shorter image has one window of its own length.
        stride: Step from one window to the next.

    Example:
        >>> window_starts(867, 480, 320)
        [0, 320, 387]
    """
    last = max(side - window, 0)
    return [*range(0, last, stride), last]
