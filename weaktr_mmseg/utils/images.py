"""Image files of every kind, read as upright RGB or refused with a reason."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from PIL import Image, ImageOps, UnidentifiedImageError

from .files import UNREADABLE

# The second picture of a phone's JPEG is a preview.
_STACKS = ('AVIF', 'GIF', 'PNG', 'TIFF', 'WEBP')
_SIXTEEN_BIT = ('I;16', 'I;16B', 'I;16L', 'I;16N', 'I')


def read_rgb(path: str) -> np.ndarray:
    """Reads a local image file as training does, uint8 RGB ``(H, W, 3)``.

    Raises:
        ValueError: If the file is no image, is truncated, or holds floating-point pixels.
    """
    return np.array(decode_image(Path(path).read_bytes(), path))


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decodes an image file.

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
            if image.format in _STACKS and (pages := getattr(image, 'n_frames', 1)) > 1:
                _tell_pages(name, pages)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return np.asarray(_to_rgb(image))
    except UnidentifiedImageError as error:  # its message has the address of a buffer
        what = 'no image, or of a type that Pillow does not read' if data else 'the file is empty'
        raise ValueError(f'cannot read image {name}: {what}') from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f'cannot read image {name}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; '
            'cut it into tiles, or set PIL.Image.MAX_IMAGE_PIXELS in a module of custom_imports'
        ) from error
    except UNREADABLE as error:
        raise ValueError(f'cannot read image {name}: {error}') from error


def resize_array(
    array: np.ndarray,
    size: Sequence[int],
    resampling: Image.Resampling = Image.Resampling.BICUBIC,
) -> np.ndarray:
    """Resizes an image or a label map with Pillow.

    Args:
        array: uint8 (H, W, 3) or (H, W).
        size: New height and width.
        resampling: Antialiased by default; labels need ``NEAREST``.

    Returns:
        uint8 of that size; the array itself if it has it.
    """
    height, width = size
    if (height, width) == array.shape[:2]:
        return array
    return np.array(Image.fromarray(array).resize((width, height), resampling))


def encode_image(image: Image.Image, kind: str, **options: Any) -> str:
    """An image file in base64.

    Args:
        image: The image.
        kind: ``'JPEG'`` or ``'PNG'``.
        **options: Of Pillow's ``save``.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode('ascii')


@cache
def _tell_pages(name: str, pages: int) -> None:
    """Says once of a file that most of it is left out."""
    message = f'{name} has {pages} pages, of which the first one is read; save each as a file'
    print_log(message, 'current', logging.WARNING)


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
