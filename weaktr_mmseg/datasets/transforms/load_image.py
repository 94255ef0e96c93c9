"""Image loading that reads every kind of photograph right, or says which one it cannot read."""

from __future__ import annotations

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmseg.registry import TRANSFORMS

from ...utils.images import decode_image
from ...utils.moved import moved_names


@TRANSFORMS.register_module()
class WeakTrLoadImage(LoadImageFromFile):
    """Loads an image as uint8 BGR ``(H, W, 3)``, upright, whatever its file holds.

    OpenCV, the stock decoder, silently fills the missing part of a truncated JPEG with gray, and
    training on that is damage, so decoding is left to Pillow, which refuses. CMYK, palette,
    gray and 16-bit images become RGB, transparency is dropped, and the EXIF rotation is applied.

    Args:
        **kwargs: Arguments of :class:`mmcv.transforms.LoadImageFromFile`; ``color_type`` and
            ``imdecode_backend`` have no effect.
    """

    def transform(self, results: dict) -> dict | None:
        """Reads ``results['img_path']`` and sets ``img``, ``img_shape`` and ``ori_shape``.

        Returns:
            The results; None for an unreadable image if ``ignore_empty`` is set.

        Raises:
            ValueError: If the file is no image, is truncated, or holds floating-point pixels.
        """
        path = results['img_path']
        try:
            rgb = decode_image(fileio.get(path, backend_args=self.backend_args), path)
        except (OSError, ValueError):
            if self.ignore_empty:
                return None
            raise
        bgr = mmcv.rgb2bgr(rgb)  # (H, W, 3)
        results['img'] = bgr.astype(np.float32) if self.to_float32 else bgr
        results['img_shape'] = results['ori_shape'] = rgb.shape[:2]
        return results


__getattr__ = moved_names(__name__)
