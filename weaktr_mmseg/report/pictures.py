"""Example images of a report, as data URIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..utils.images import encode_image, read_rgb
from ..utils.masks import read_mask
from ..utils.palette import colour_table

MAX_SIDE = 300  # pixels


def example_pictures(
    examples: Sequence[Mapping[str, Any]],
    folder: Path,
    palette: Sequence[Sequence[int]],
    key: str,
    title: str,
) -> list[dict[str, Any]]:
    """Image, label map and, if there is one, truth of each example whose files still exist.

    Args:
        examples: Entries with ``img_path``, perhaps ``seg_map_path`` and ``miou``, and the label
            map, relative to ``folder``, under ``key``.
        folder: Where the file lies that lists the examples.
        palette: RGB colours of all classes.
        key: Key of the label map.
        title: What the label map is.

    Returns:
        For each example ``name``, ``miou`` and ``pictures``, data URIs by title.
    """
    drawn = []
    for example in examples:
        labels = {title: folder / example[key]}
        if example.get('seg_map_path'):
            labels['truth'] = Path(example['seg_map_path'])
        try:
            photo = read_rgb(example['img_path'])
            pictures = {'image': _data_uri(photo, Image.BICUBIC, 'JPEG', quality=85)}
            for name, path in labels.items():
                drawing = colour_table(palette)[read_mask(path)]
                pictures[name] = _data_uri(drawing, Image.NEAREST, 'PNG')
        except (OSError, ValueError):
            continue
        name = Path(example['img_path']).name
        drawn.append(dict(name=name, miou=example.get('miou'), pictures=pictures))
    return drawn


def _data_uri(image: np.ndarray, resampling: int, kind: str, **options: Any) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), resampling)
    return f'data:image/{kind.lower()};base64,{encode_image(picture, kind, **options)}'
