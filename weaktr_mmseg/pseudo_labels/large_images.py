"""Refinement of label maps whose image is too large for a CRF."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from .labelling import Refine

MAX_PIXELS = 1 << 22  # 2048 x 2048; the lattice of a CRF takes some hundred bytes a pixel


def bounded(refine: Refine, max_pixels: int = MAX_PIXELS) -> Refine:
    """Makes a refinement shrink images of more than ``max_pixels``, and enlarge what it gives.

    Args:
        refine: Maps an image, uint8 (H, W, 3), and its label map, uint8 (H, W), to a label map.
        max_pixels: Largest image that is refined as it is.

    Returns:
        Such a function. Smaller images, all of VOC and COCO among them, pass through it untouched.
    """

    def run(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
        if labels.size <= max_pixels:
            return refine(image, labels)
        factor = math.sqrt(max_pixels / labels.size)
        height, width = (max(1, math.floor(side * factor)) for side in labels.shape)
        small_image = Image.fromarray(image).resize((width, height), Image.BICUBIC)
        small_labels = Image.fromarray(labels).resize((width, height), Image.NEAREST)
        refined = refine(np.array(small_image), np.array(small_labels))
        enlarged = Image.fromarray(np.asarray(refined, np.uint8)).resize(
            labels.shape[::-1], Image.NEAREST
        )
        return np.array(enlarged)

    return run
