"""From a folder of masks to the files of an annotation tool."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...utils.errors import WeakTrInputError, input_errors
from ...utils.files import atomic_path
from ...utils.masks import IGNORE_INDEX, read_mask
from ...utils.progress import progress_bar
from .coco import CocoWriter
from .cvat import CvatWriter
from .label_studio import LabelStudioWriter
from .regions import find_regions
from .source import AnnotatedImage, pair_masks
from .voc import VocWriter
from .writer import AnnotationWriter, ExportOptions
from .yolo import YoloWriter

FORMATS: Mapping[str, type[AnnotationWriter]] = {
    'coco': CocoWriter,
    'yolo': YoloWriter,
    'labelstudio': LabelStudioWriter,
    'cvat': CvatWriter,
    'voc': VocWriter,
}


class Exported(NamedTuple):
    """What was written.

    Attributes:
        path: File or folder to give to the annotation tool.
        images: Number of photographs.
        regions: Number of regions.
    """

    path: Path
    images: int
    regions: int


def export_masks(
    masks: str | Path,
    images: str | Path,
    out: str | Path,
    format_name: str,
    options: ExportOptions,
    *,
    min_area: int = 0,
    per_class: bool = False,
    copy_images: bool = False,
) -> Exported:
    """Writes masks in the format of an annotation tool.

    Each connected part of a class is a region, an "instance". Background and unknown pixels (255)
    are in none.

    Args:
        masks: Folder of palette or grayscale PNGs.
        images: Folder of the photographs; see :func:`pair_masks`.
        out: Folder to write to.
        format_name: Key of :data:`FORMATS`.
        options: Classes and how shapes are written.
        min_area: Connected parts with fewer pixels are left out.
        per_class: One region for each class of a photograph, of all its parts.
        copy_images: Copies the photographs to where the format looks for them.

    Raises:
        WeakTrInputError: If the format or an option is unknown, a mask has no photograph, another
            size or a label that is none of the classes, or a package is missing.

    Examples:
        >>> from PIL import Image
        >>> from weaktr_mmseg.utils.masks import write_mask
        >>> from weaktr_mmseg.utils.palette import voc_palette
        >>> mask = np.zeros((60, 80), np.uint8)
        >>> mask[10:30, 10:40] = 1
        >>> write_mask('masks/1.png', mask, voc_palette(3))
        >>> Path('photos').mkdir()
        >>> Image.new('RGB', (80, 60)).save('photos/1.jpg')
        >>> options = ExportOptions(classes=['background', 'cat', 'dog'])
        >>> done = export_masks('masks', 'photos', 'for_cvat', 'cvat', options)
        >>> done.path.name, done.images, done.regions
        ('annotations.xml', 1, 1)
    """
    if format_name not in FORMATS:
        raise WeakTrInputError(f'format: expected {", ".join(FORMATS)}, got {format_name!r}')
    if min_area < 0 or not 0 <= options.tolerance < float('inf'):
        raise WeakTrInputError(
            f'expected a minimum area and a tolerance of at least 0 pixels, got {min_area} and '
            f'{options.tolerance}'
        )
    folder = Path(out)
    writer = FORMATS[format_name](folder, options)
    pairs = pair_masks(masks, images)
    count = 0
    for image in progress_bar(pairs, desc='Exporting'):
        mask = _checked_mask(image, len(options.classes))
        regions = find_regions(mask, min_area, per_class)
        writer.add(image, mask, regions)
        count += len(regions)
        if copy_images:
            _copy(image, folder / writer.image_folder)
    return Exported(writer.close(), len(pairs), count)


def _checked_mask(image: AnnotatedImage, classes: int) -> np.ndarray:
    with input_errors(str(image.mask)):
        mask = read_mask(image.mask)
    if mask.shape != (image.height, image.width):
        raise WeakTrInputError(
            f'{image.mask}: expected the size {image.width} x {image.height} of {image.file}, '
            f'got {mask.shape[1]} x {mask.shape[0]}'
        )
    highest = mask[mask != IGNORE_INDEX].max(initial=0)
    if highest >= classes:
        raise WeakTrInputError(
            f'{image.mask}: expected labels 0..{classes - 1}, as there are {classes} classes with '
            f'background, got {highest}'
        )
    return mask


def _copy(image: AnnotatedImage, folder: Path) -> None:
    target = folder / image.file_name
    if target.exists() and target.samefile(image.file):
        return
    with atomic_path(target) as temporary:
        shutil.copyfile(image.file, temporary)
