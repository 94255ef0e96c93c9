"""Masks and the photographs that they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ...datasets.faults import raise_first
from ...datasets.file_index import index_folder
from ...datasets.names import clean_path
from ...utils.errors import WeakTrInputError, input_errors
from ...utils.files import UNREADABLE
from ..images import find_images

_EXIF_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height


class AnnotatedImage(NamedTuple):
    """A photograph with a mask.

    Attributes:
        file: The photograph.
        file_name: Its path below the folder of photographs, ``/`` between folders.
        mask: The mask.
        height: Height of the upright photograph in pixels.
        width: Its width.
    """

    file: Path
    file_name: str
    mask: Path
    height: int
    width: int

    @property
    def stem(self) -> str:
        """``file_name`` without suffix."""
        return Path(self.file_name).with_suffix('').as_posix()


def pair_masks(masks: str | Path, images: str | Path) -> list[AnnotatedImage]:
    """Finds the photograph of each mask, by their paths below the two folders.

    ``a/b.png`` belongs to ``a/b.jpg``, or, as :func:`segment_files` names masks where two
    photographs differ in their suffix alone, ``a/b.jpg.png`` to ``a/b.jpg``.

    Args:
        masks: Folder of PNGs; sub-folders are searched.
        images: Folder of photographs; those without a mask are passed over.

    Returns:
        Sorted by the path of the mask.

    Raises:
        WeakTrInputError: If there is no mask, a mask has no photograph, or one cannot be read.
    """
    with input_errors(str(masks)):
        index = index_folder(str(masks), '.png')
        raise_first(index.faults)
    if not index:
        raise WeakTrInputError(f'{masks}: expected masks (PNG), found none')
    photographs = {
        clean_path(image.name): image.path for image in find_images([images], exclude=[masks])
    }
    missing = [name for name in sorted(index) if name not in photographs]
    if missing:
        raise WeakTrInputError(
            f'{len(missing)} of {len(index)} masks in {masks} have no photograph in {images}; '
            f"the first is '{index[missing[0]]}'"
        )
    return [
        _annotated(photographs[name], Path(images), Path(masks) / index[name])
        for name in sorted(index)
    ]


def _annotated(file: Path, folder: Path, mask: Path) -> AnnotatedImage:
    name = file.relative_to(folder).as_posix()
    return AnnotatedImage(file, name, mask, *upright_size(file))


def upright_size(file: str | Path) -> tuple[int, int]:
    """Height and width of a photograph as it is shown, from its header.

    Raises:
        WeakTrInputError: If the file is no image.
    """
    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(_EXIF_ORIENTATION) in _TURNED
    except UNREADABLE as error:
        raise WeakTrInputError(f'cannot read image {file}: {error}') from error
    return (width, height) if turned else (height, width)
