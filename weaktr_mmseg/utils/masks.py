"""Label masks as palette PNGs; 255 is ignored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .files import UNREADABLE, atomic_path
from .palette import colour_table

IGNORE_INDEX = 255
STAMP_KEY = 'weaktr'  # of the text chunk in a mask


def write_mask(
    path: str | Path, mask: np.ndarray, palette: Sequence[Sequence[int]], stamp: str = ''
) -> None:
    """Writes a label map as palette PNG, 255 (ignore) in near-white.

    Args:
        path: Target file, ``.png``.
        mask: Labels, uint8 (H, W).
        palette: RGB colour of each label, background first.
        stamp: Says what the mask was made from; kept as text in the PNG.
    """
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(colour_table(palette).tobytes())
    text = PngInfo()
    if stamp:
        text.add_text(STAMP_KEY, stamp)
    with atomic_path(path) as temporary:
        image.save(temporary, format='PNG', pnginfo=text)


def read_mask(path: str | Path) -> np.ndarray:
    """Reads a palette or grayscale PNG as labels, uint8 (H, W).

    Raises:
        ValueError: If the file is no image with one channel of labels.
    """
    return read_stamped_mask(path)[0]


def read_stamped_mask(path: str | Path) -> tuple[np.ndarray, str]:
    """Reads a mask as :func:`read_mask` does, and its stamp, which is empty if there is none."""
    try:
        with Image.open(path) as image:
            mode = image.mode
            mask = np.array(image)
            stamp = str(image.info.get(STAMP_KEY, ''))
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise ValueError(f'{path}: expected a mask (PNG), could not read it: {error}') from error
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise ValueError(f'{path}: expected one 8-bit channel of labels, got image mode {mode}')
    return mask, stamp


def read_stamp(path: str | Path) -> str:
    """Reads the stamp of a mask without its pixels; empty if there is none, or no mask."""
    try:
        with Image.open(path) as image:
            return str(image.info.get(STAMP_KEY, ''))
    except UNREADABLE:
        return ''
