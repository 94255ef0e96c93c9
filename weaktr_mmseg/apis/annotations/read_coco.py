"""Masks from COCO instances."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...utils.errors import WeakTrInputError
from .shapes import LabelIds, coco_pixels


def read_coco(
    content: bytes, where: str, classes: Sequence[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Paints the annotations of each image, the largest first, so that none hides a smaller one.

    Args:
        content: Of the JSON file.
        where: Its name, for messages.
        classes: Names, background first; categories are matched by name.

    Yields:
        Name of the image as the file has it; its labels, uint8 (H, W).

    Raises:
        WeakTrInputError: If the file is no COCO instances file or has an unknown category.
    """
    try:
        data = json.loads(content)
        names = {category['id']: category['name'] for category in data['categories']}
        by_image: dict[Any, list[dict]] = defaultdict(list)
        for annotation in data['annotations']:
            by_image[annotation['image_id']].append(annotation)
        images = [
            (image['id'], str(image['file_name']), int(image['height']), int(image['width']))
            for image in data['images']
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeakTrInputError(
            f'{where}: expected COCO instances with images, annotations and categories: {error!r}'
        ) from error
    label_ids = LabelIds(classes)
    for image_id, name, height, width in images:
        mask = np.zeros((height, width), np.uint8)
        shapes = []
        for annotation in by_image.get(image_id, ()):
            place = f'{where}, annotation {annotation.get("id")} of {name}'
            category = names.get(annotation.get('category_id'))
            if category is None:
                raise WeakTrInputError(f'{place}: category_id {annotation.get("category_id")}')
            pixels = coco_pixels(annotation.get('segmentation'), height, width, place)
            shapes.append((int(pixels.sum()), label_ids(category, place), pixels))
        for _, label, pixels in sorted(shapes, key=lambda shape: -shape[0]):
            mask[pixels] = label
        yield name, mask
