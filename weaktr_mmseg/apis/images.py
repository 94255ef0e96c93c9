"""Which images a command line names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from ..datasets.file_index import image_suffixes
from ..utils.errors import WeakTrInputError
from ..utils.images import resize_array


class ImageFile(NamedTuple):
    """An image and a name that no other image of the list has.

    Attributes:
        path: The file.
        name: Path below the folder that was named, posix, without suffix; names outputs.
    """

    path: Path
    name: str


def find_images(
    inputs: Sequence[str | Path], exclude: Sequence[str | Path] = ()
) -> list[ImageFile]:
    """Lists files and the images in folders.

    A file is taken whatever its suffix; folders are searched, sub-folders too, for the suffixes
    that Pillow reads, passing over hidden files.

    Args:
        inputs: Files and folders.
        exclude: Folders to pass over, such as those of the outputs.

    Returns:
        The images in the order of ``inputs``, those of a folder sorted, each file once. Images that
        differ only in their suffix keep it in their names: ``a.jpg`` and ``a.png``. Those of one
        name in several inputs get a number besides: ``a.jpg_1``.

    Raises:
        WeakTrInputError: If an input does not exist or a folder has no image.
    """
    found: dict[str, tuple[Path, PurePath]] = {}  # absolute path -> file, its name with suffix
    for item in map(Path, inputs):
        listed: list[tuple[Path, PurePath]]
        if item.is_dir():
            listed = [(path, path.relative_to(item)) for path in _images_below(item, exclude)]
        elif item.is_file():
            listed = [(item, PurePath(item.name))]
        else:
            raise WeakTrInputError(f'image {item}: no such file or folder')
        for path, name in listed:
            found.setdefault(os.path.abspath(path), (path, name))
    names = _different_names([name for _, name in found.values()])
    return [ImageFile(path, name) for (path, _), name in zip(found.values(), names)]


def _different_names(files: Sequence[PurePath]) -> list[str]:
    """Names without suffix, or with it where they would be equal, or with a number besides."""
    names = [file.with_suffix('').as_posix() for file in files]
    while True:  # a name with its suffix may be that of another file without: a.jpg, a.jpg.png
        times = Counter(names)
        full = [file.as_posix() if times[name] > 1 else name for file, name in zip(files, names)]
        if full == names:
            break
        names = full
    taken = set(names)
    for index, name in enumerate(names):
        if times[name] > 1:  # files of one name in several of the inputs
            numbered = (f'{name}_{number}' for number in count(1))
            names[index] = next(free for free in numbered if free not in taken)
            taken.add(names[index])
    return names


def _images_below(folder: Path, exclude: Sequence[str | Path]) -> list[Path]:
    outside = {Path(other).resolve() for other in exclude}
    suffixes = image_suffixes()
    images = [
        path
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in suffixes
        and path.is_file()
        and not any(part.startswith('.') for part in path.relative_to(folder).parts)
        and outside.isdisjoint(path.resolve().parents)
    ]
    if not images:
        passed = [str(other) for other in exclude if Path(other).is_dir()]
        but = f' but {", ".join(passed)}' if passed else ''
        raise WeakTrInputError(f'folder {folder}: no image in it or its sub-folders{but}')
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
    return resize_array(image, [max(1, round(side * factor)) for side in image.shape[:2]])
