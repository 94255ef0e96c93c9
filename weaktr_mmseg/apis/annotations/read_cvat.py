"""Masks from CVAT for images 1.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from xml.etree import ElementTree as ET

import numpy as np

from ...utils.errors import WeakTrInputError
from ...utils.xml import parse_xml
from .runs import from_run_lengths
from .shapes import LabelIds, coco_pixels

_NO_SHAPES = ('tag',)  # labels of the whole image


def read_cvat(
    content: bytes, where: str, classes: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Paints the polygons and masks of each image, from the lowest ``z_order`` up.

    Args:
        content: Of the XML file.
        where: Its name, for messages.
        classes: Names, background first.

    Yields:
        Name of the image as the file has it; its labels, uint8 (H, W).

    Raises:
        WeakTrInputError: If the file is none of CVAT for images, or has an unknown label or a shape
            that encloses no pixels.
    """
    try:
        root = parse_xml(content)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise WeakTrInputError(f'{where}: {error}') from error
    if root.tag != 'annotations' or root.find('track') is not None:
        raise WeakTrInputError(
            f"{where}: expected 'CVAT for images 1.1', got <{root.tag}>"
            + (' with tracks of a video' if root.tag == 'annotations' else '')
        )
    label_ids = LabelIds(classes)
    for image in root.iter('image'):
        try:
            name = image.attrib['name']
            mask = np.zeros((int(image.attrib['height']), int(image.attrib['width'])), np.uint8)
        except (KeyError, ValueError) as error:
            raise WeakTrInputError(
                f'{where}: expected name, width and height of an image, got {image.attrib}'
            ) from error
        place = f'{where}, {name}'
        shapes = [shape for shape in image if shape.tag not in _NO_SHAPES]
        for shape in sorted(shapes, key=partial(_height, where=place)):
            label = label_ids(shape.get('label', ''), place)
            mask[_pixels(shape, *mask.shape, place)] = label
        yield name, mask


def _height(shape: ET.Element, where: str) -> int:
    """Place of a shape among those that overlap it; the higher hides the lower."""
    value = shape.get('z_order', '0')
    try:
        return int(value)
    except ValueError:
        raise WeakTrInputError(
            f'{where}: z_order: expected a whole number, got {value!r}'
        ) from None


def _pixels(shape: ET.Element, height: int, width: int, where: str) -> np.ndarray:
    """Pixels of a shape, bool (height, width)."""
    if shape.tag == 'mask':
        return _mask_pixels(shape, height, width, where)
    if shape.tag == 'polygon':
        numbers = shape.get('points', '').replace(';', ',').split(',')
        return coco_pixels([numbers], height, width, where)
    raise WeakTrInputError(
        f'{where}: expected masks and polygons, got a {shape.tag}; draw an outline or delete it'
    )


def _mask_pixels(shape: ET.Element, height: int, width: int, where: str) -> np.ndarray:
    pixels = np.zeros((height, width), bool)
    try:
        left, top, w, h = (int(shape.attrib[key]) for key in ('left', 'top', 'width', 'height'))
        lengths = [int(value) for value in shape.attrib['rle'].split(',')]
        if min(left, top) < 0 or left + w > width or top + h > height:
            raise ValueError(f'the box {left}, {top}, {w} x {h} leaves the image')
        pixels[top : top + h, left : left + w] = from_run_lengths(lengths, h, w)
    except (KeyError, ValueError) as error:
        raise WeakTrInputError(f'{where}: mask: {error}') from error
    return pixels
