"""Shapes of annotation files, painted as labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ...datasets.label_sources.class_discovery import BACKGROUND
from ...datasets.label_sources.sources import ForegroundClasses
from ...utils.errors import WeakTrInputError, input_errors
from ...utils.masks import IGNORE_INDEX
from ...utils.optional import import_optional

IGNORE_NAME = 'ignore'


def import_coco_mask() -> ModuleType:
    """The run lengths and polygons of pycocotools, ``pycocotools.mask``.

    Raises:
        WeakTrInputError: If pycocotools is not installed.
    """
    message = "COCO files and polygons need pycocotools: pip install 'weaktr_mmseg[export]'"
    return import_optional('pycocotools.mask', message)


class LabelIds:
    """Turns the names in an annotation file into labels.

    ``'background'`` is 0, and ``'ignore'`` 255 unless it is a class.

    Args:
        classes: Names, background first.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.foreground = ForegroundClasses(classes)
        self.special = {IGNORE_NAME: IGNORE_INDEX, BACKGROUND: 0, classes[0]: 0}

    def __call__(self, name: str, where: str) -> int:
        """The label of a name.

        Raises:
            WeakTrInputError: If it is none of the classes; says where it stands and what was
                meant.
        """
        if name in self.special and name not in self.foreground.names:
            return self.special[name]
        with input_errors(where):
            return self.foreground.ids([name], where)[0] + 1


def coco_pixels(segmentation: Any, height: int, width: int, where: str) -> np.ndarray:
    """Pixels of a COCO segmentation.

    Args:
        segmentation: Polygons ``[[x, y, x, y, ...], ...]`` or run lengths, packed or not.
        height: Of the image.
        width: Of the image.
        where: Names the annotation in messages.

    Returns:
        bool (height, width).

    Raises:
        WeakTrInputError: If it is none of these or does not fit the image.
    """
    coco_mask = import_coco_mask()
    try:
        if isinstance(segmentation, Mapping):
            packed = _run_lengths(segmentation, height, width, coco_mask)
        else:
            packed = coco_mask.merge(coco_mask.frPyObjects(_polygons(segmentation), height, width))
        return coco_mask.decode(packed).astype(bool)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise WeakTrInputError(
            f'{where}: expected polygons or run lengths for {width} x {height} pixels: {error}'
        ) from error


def _run_lengths(segmentation: Mapping, height: int, width: int, coco_mask: Any) -> Any:
    if list(segmentation['size']) != [height, width]:
        raise ValueError(f'size is {segmentation["size"]}')
    counts = segmentation['counts']
    if isinstance(counts, list):
        if min(counts, default=0) < 0 or sum(counts) != height * width:
            raise ValueError(f'counts add up to {sum(counts)}')
        return coco_mask.frPyObjects(segmentation, height, width)
    return dict(size=[height, width], counts=counts)


def _polygons(segmentation: Any) -> list[list[float]]:
    polygons = [[float(value) for value in polygon] for polygon in segmentation]
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(polygon).all():
            raise ValueError(f'a polygon has {len(polygon)} numbers')
    if not polygons:
        raise ValueError('it has no polygon')
    return polygons
