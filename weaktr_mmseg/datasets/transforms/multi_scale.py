"""The same image at several scales, for multi-scale class activation maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image


@TRANSFORMS.register_module()
class WeakTrMultiScale(BaseTransform):
    """Turns ``img`` into a list of images, one per scale.

    Sides become ``round(side * scale)``, at least one pixel, with no rounding to the patch size;
    resampling is Pillow's bicubic (WeakTr, arXiv 2304.01184, section 4.2). ``img_shape`` becomes
    that of the first scale, ``ori_shape`` is kept.

    Args:
        scales: Factors, each positive.

    Raises:
        ValueError: If there is no scale or one is not positive.
    """

    def __init__(self, scales: Sequence[float]) -> None:
        if not scales or any(scale <= 0 for scale in scales):
            raise ValueError(f'scales: expected positive factors, got {list(scales)}')
        self.scales = tuple(scales)

    def transform(self, results: dict) -> dict:
        """Resizes ``results['img']``, uint8 (H, W, 3)."""
        image = results['img']
        results['img'] = [self._resize(image, scale) for scale in self.scales]
        results['img_shape'] = results['img'][0].shape[:2]
        return results

    @staticmethod
    def _resize(image: np.ndarray, scale: float) -> np.ndarray:
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        if (height, width) == image.shape[:2]:
            return image
        return np.array(Image.fromarray(image).resize((width, height), Image.BICUBIC))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scales={self.scales})'
