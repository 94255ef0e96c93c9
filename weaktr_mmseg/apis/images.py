"""Which images a command line names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..datasets.file_index import image_suffixes
from ..utils.errors import WeakTrInputError


class ImageFile(NamedTuple):
    """An image and a name that no other image of the list has.

    Attributes:
        path: The file.
        name: Path below the folder that was named, posix, without suffix; names outputs.
    """

    path: Path
    name: str


def find_images(inputs: Sequence[str | Path], exclude: str | Path | None = None) -> list[ImageFile]:
    """Lists files and the images in folders.

    A file is taken whatever its suffix; folders are searched, sub-folders too, for the suffixes
    that Pillow reads, passing over hidden files.

    Args:
        inputs: Files and folders.
        exclude: Folder to pass over, such as that of the outputs.

    Returns:
        The images in the order of ``inputs``, those of a folder sorted. Images that differ only in
        their suffix keep it in their names: ``a.jpg`` and ``a.png``.

    Raises:
        WeakTrInputError: If an input does not exist or a folder has no image.
    """
    found: list[tuple[Path, Path]] = []  # file, its name with suffix
    for item in map(Path, inputs):
        if item.is_dir():
            found += [(path, path.relative_to(item)) for path in _images_below(item, exclude)]
        elif item.is_file():
            found.append((item, Path(item.name)))
        else:
            raise WeakTrInputError(f'image {item}: no such file or folder')
    found = list(dict.fromkeys(found))
    stems = Counter(name.with_suffix('').as_posix() for _, name in found)
    full = Counter(name.as_posix() for _, name in found)
    files, seen = [], Counter[str]()
    for path, relative in found:
        name = relative.with_suffix('').as_posix()
        if stems[name] > 1:
            name = relative.as_posix()
        if full[relative.as_posix()] > 1:  # same name in two of the inputs
            seen[name] += 1
            name = f'{name}_{seen[name]}'
        files.append(ImageFile(path, name))
    return files


def _images_below(folder: Path, exclude: str | Path | None) -> list[Path]:
    outside = None if exclude is None else Path(exclude).resolve()
    suffixes = image_suffixes()
    images = [
        path
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith('.') for part in path.relative_to(folder).parts)
        and (outside is None or outside not in path.resolve().parents)
    ]
    if not images:
        raise WeakTrInputError(f'folder {folder}: no image in it or its sub-folders')
    return images


def check_short_side(short_side: int | None) -> int | None:
    """Returns a size in pixels if it is one.

    Raises:
        WeakTrInputError: If it is less than a pixel.
    """
    if short_side is not None and short_side < 1:
        raise WeakTrInputError(f'short side: expected at least 1 pixel, got {short_side}')
    return short_side


def resize(image: np.ndarray, factor: float) -> np.ndarray:
    """Resizes an image with antialiasing; sides are rounded, at least one pixel.

    Args:
        image: RGB, uint8 (H, W, 3).
        factor: Of both sides.

    Returns:
        RGB, uint8 (h, w, 3); the image itself if the size stays.
    """
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    return np.array(Image.fromarray(image).resize((width, height), Image.BICUBIC))
