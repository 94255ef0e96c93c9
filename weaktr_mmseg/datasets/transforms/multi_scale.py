"""The same image at several scales, for multi-scale class activation maps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from ...utils.errors import WeakTrInputError
from ...utils.images import resize_array


@TRANSFORMS.register_module()
class WeakTrMultiScale(BaseTransform):
    """Turns ``img`` into a list of images, one per scale.

    Sides become ``round(side * scale)`` with no rounding to the patch size; resampling is Pillow's
    bicubic (WeakTr, arXiv 2304.01184, section 4.2). ``img_shape`` becomes that of the first scale,
    ``ori_shape`` is kept. Two bounds, which no image of VOC or COCO meets, keep any image within
    what a transformer can do: a side shorter than a patch has no token, and the time of attention
    grows with the square of the pixels.

    Args:
        scales: Factors, each positive.
        min_side: Least side of a result in pixels: a patch.
        max_pixels: Most pixels of a result; larger ones are shrunk with their aspect ratio kept.
            The default is 2048 x 2048.

    Raises:
        WeakTrInputError: If there is no scale, one is not positive, or the bounds leave no size.
    """

    def __init__(
        self, scales: Sequence[float], min_side: int = 16, max_pixels: int = 1 << 22
    ) -> None:
        if not scales or any(scale <= 0 for scale in scales):
            raise WeakTrInputError(f'scales: expected positive factors, got {list(scales)}')
        if min_side < 1 or max_pixels < min_side**2:
            raise WeakTrInputError(
                'expected min_side >= 1 and max_pixels >= min_side ** 2, got '
                f'min_side={min_side} and max_pixels={max_pixels}'
            )
        self.scales = tuple(scales)
        self.min_side = min_side
        self.max_pixels = max_pixels

    def transform(self, results: dict) -> dict:
        """Resizes ``results['img']``, uint8 (H, W, 3)."""
        image = results['img']
        results['img'] = [self._resize(image, scale) for scale in self.scales]
        results['img_shape'] = results['img'][0].shape[:2]
        return results

    def _resize(self, image: np.ndarray, scale: float) -> np.ndarray:
        height, width = image.shape[:2]
        scale = min(scale, math.sqrt(self.max_pixels / (height * width)))
        height, width = (max(self.min_side, round(side * scale)) for side in (height, width))
        longest = self.max_pixels // min(height, width)  # binds where the other side was raised
        return resize_array(image, (min(height, longest), min(width, longest)))
