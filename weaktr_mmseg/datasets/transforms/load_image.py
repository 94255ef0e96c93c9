"""Image loading that reads every kind of photograph right, or says which one it cannot read."""

from __future__ import annotations

import io
from pathlib import Path

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmseg.registry import TRANSFORMS
from PIL import Image, ImageOps, UnidentifiedImageError

from ...pseudo_labels.cam_files import UNREADABLE

_SIXTEEN_BIT = ('I;16', 'I;16B', 'I;16L', 'I;16N', 'I')


@TRANSFORMS.register_module()
class WeakTrLoadImage(LoadImageFromFile):
    """Load an image as uint8 BGR ``(H, W, 3)``, upright, whatever its file holds.

    OpenCV, the stock decoder, fills the missing part of a truncated JPEG with gray and goes on;
    training on that is silent damage, so decoding is left to Pillow, which refuses. CMYK, palette,
    gray and 16-bit images become RGB, transparency is dropped, and the EXIF rotation is applied.

    Args:
        **kwargs: Arguments of :class:`mmcv.transforms.LoadImageFromFile`; ``color_type`` and
            ``imdecode_backend`` have no effect.
    """

    def transform(self, results: dict) -> dict | None:
        """Read ``results['img_path']`` and set ``img``, ``img_shape`` and ``ori_shape``.

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


def read_rgb(path: str) -> np.ndarray:
    """Read a local image file as training does, uint8 RGB ``(H, W, 3)``.

    Raises:
        ValueError: If the file is no image, is truncated, or holds floating-point pixels.
    """
    return np.array(decode_image(Path(path).read_bytes(), path))


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode an image file.

    Args:
        data: Content of the file.
        name: Its name, for the error message.

    Returns:
        uint8 RGB array ``(H, W, 3)``, rotated as its EXIF orientation says.

    Raises:
        ValueError: If the file is no image, is truncated, or holds floating-point pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(_to_rgb(image))
    except UnidentifiedImageError as error:  # its message has the address of a buffer
        what = 'no image, or of a type that Pillow does not read' if data else 'the file is empty'
        raise ValueError(f'cannot read image {name}: {what}') from error
    except UNREADABLE as error:
        raise ValueError(f'cannot read image {name}: {error}') from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == 'F':
        raise ValueError('it has floating-point pixels; save it with 8 bits per channel')
    if image.mode in _SIXTEEN_BIT:
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError('it has pixels beyond 16 bits; save it with 8 bits per channel')
        image = Image.fromarray((levels >> 8).astype(np.uint8))
    if image.mode == 'P' and 'transparency' in image.info:
        image = image.convert('RGBA')
    return image if image.mode == 'RGB' else image.convert('RGB')
