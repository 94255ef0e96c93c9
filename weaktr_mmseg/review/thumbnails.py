"""Small pictures for the review page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..utils.files import UNREADABLE
from ..utils.images import encode_image, read_rgb
from ..utils.palette import colour_table

JPEG_QUALITY = 75


def photo_thumbnail(path: str | Path, side: int) -> str:
    """A photograph as JPEG of at most ``side`` pixels, in base64.

    JPEG files are decoded at a fraction of their size, which is what makes thousands of large
    photographs bearable.

    Raises:
        ValueError: If the file is no image.
    """
    try:
        with Image.open(path) as image:
            if image.format != 'JPEG' or image.mode not in ('RGB', 'L'):
                picture = Image.fromarray(read_rgb(str(path)))
            else:
                image.draft('RGB', (2 * side, 2 * side))
                picture = ImageOps.exif_transpose(image).convert('RGB')
    except UNREADABLE as error:
        raise ValueError(f'cannot read image {path}: {error}') from error
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    return encode_image(picture, 'JPEG', quality=JPEG_QUALITY)


def mask_thumbnail(mask: np.ndarray, palette: Sequence[Sequence[int]], side: int) -> str:
    """A label map as PNG with a transparent background, in base64.

    Args:
        mask: Labels, uint8 (H, W).
        palette: RGB colour of each label, background first.
        side: Longest side in pixels.
    """
    picture = Image.fromarray(mask)
    picture.thumbnail((side, side), Image.Resampling.NEAREST)
    picture.putpalette(colour_table(palette).tobytes())
    return encode_image(picture, 'PNG', transparency=0, optimize=True)
