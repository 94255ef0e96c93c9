"""Refinement of label maps whose image is too large for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from ..utils.images import resize_array

RefineLabels = Callable[[np.ndarray, np.ndarray], np.ndarray]


def limit_pixels(refine: RefineLabels, max_pixels: int) -> RefineLabels:
    """Makes a refinement shrink images of more than ``max_pixels`` and enlarge its result.

    Args:
        refine: Maps an image, uint8 (H, W, 3), and its label map, uint8 (H, W), to a label map.
        max_pixels: Largest image that is refined as it is.

    Returns:
        Such a function. Smaller images pass through it untouched.
    """

    def run(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
        if labels.size <= max_pixels:
            return refine(image, labels)
        factor = math.sqrt(max_pixels / labels.size)
        size = [max(1, math.floor(side * factor)) for side in labels.shape]
        refined = refine(
            resize_array(image, size), resize_array(labels, size, Image.Resampling.NEAREST)
        )
        refined = np.asarray(refined, np.uint8)
        return resize_array(refined, labels.shape, Image.Resampling.NEAREST)

    return run
