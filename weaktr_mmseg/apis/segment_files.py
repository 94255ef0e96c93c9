"""Segmentation of files: masks, overlays and class areas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..datasets.names import too_long
from ..utils.errors import WeakTrInputError
from ..utils.files import atomic_path, write_text
from ..utils.images import read_rgb
from ..utils.masks import read_stamp, write_mask
from ..utils.progress import progress_bar
from .images import ImageFile, find_images
from .photo_labels import PhotoLabels
from .segment import PhotoSegmentor, class_areas, overlay

MASKS, OVERLAYS, AREAS_FILE = 'masks', 'overlays', 'areas.json'
JPEG_QUALITY = 92
STAMP = 'prediction'  # in each mask: it may be replaced by another


def segment_files(
    segmentor: PhotoSegmentor,
    inputs: Sequence[str | Path],
    out_dir: str | Path,
    labels: PhotoLabels | None = None,
) -> dict[str, Any]:
    """Segments images and writes what it finds.

    ``out_dir`` gets ``masks/<name>.png`` (palette PNG at the size of the image, 0 background),
    ``overlays/<name>.jpg`` and ``areas.json``, the returned content.

    Args:
        segmentor: Predicts labels.
        inputs: Images and folders of images; what was written before is passed over.
        out_dir: Where the files go.
        labels: What photographs are known to show; each gets masks of these classes alone. Those
            that the table does not have are segmented without.

    Returns:
        ``classes``, ``colours`` (of masks and overlays), ``images`` (``file``, ``mask``,
        ``overlay``, ``height``, ``width``, ``areas``, the share of each class, and ``labels``, the
        classes it was known to show or None), ``mean_areas`` over the images, and ``failed``
        (``file``, ``error``) for the images that cannot be read.

    Raises:
        WeakTrInputError: If an input does not exist, a folder has no image, or a mask would replace
            one that was not predicted here.
    """
    out = Path(out_dir)
    files = find_images(inputs, exclude=[out / MASKS, out / OVERLAYS])
    _refuse_masks_of_others(out, files)
    classes = list(segmentor.model.dataset_meta['classes'])
    known = {} if labels is None else labels.match(files)
    images, failed = [], []
    for file in progress_bar(files, desc='Segmenting'):
        try:
            if too_long(file.name):
                raise ValueError(f'{file.path}: its name is too long to name a mask after it')
            image = read_rgb(str(file.path))
        except (OSError, ValueError) as error:
            failed.append(dict(file=str(file.path), error=str(error)))
            continue
        present = known.get(file)
        images.append(dict(_segment(segmentor, file, image, out, present), labels=present))
    total = {
        name: float(np.mean([entry['areas'].get(name, 0.0) for entry in images]))
        for name in classes
        if any(name in entry['areas'] for entry in images)
    }
    colours = {
        name: '#{:02x}{:02x}{:02x}'.format(*colour)
        for name, colour in zip(classes, segmentor.model.dataset_meta['palette'])
    }
    content = dict(classes=classes, colours=colours, images=images, mean_areas=total, failed=failed)
    write_text(out / AREAS_FILE, json.dumps(content, indent=1) + '\n')
    return content


def _refuse_masks_of_others(out: Path, files: Sequence[ImageFile]) -> None:
    """Keeps masks that a person has drawn, where the output folder is that of the data."""
    for file in files:
        path = out / MASKS / f'{file.name}.png'
        if not too_long(file.name) and path.is_file() and read_stamp(path) != STAMP:
            raise WeakTrInputError(
                f'{path}: would be replaced, and is no prediction of this tool; write to another '
                'folder, or remove it'
            )


def _segment(
    segmentor: PhotoSegmentor,
    file: ImageFile,
    image: np.ndarray,
    out: Path,
    present: Sequence[str] | None,
) -> dict[str, Any]:
    labels = segmentor(image, present)
    palette = segmentor.model.dataset_meta['palette']
    mask, picture = f'{MASKS}/{file.name}.png', f'{OVERLAYS}/{file.name}.jpg'
    write_mask(out / mask, labels, palette, STAMP)
    with atomic_path(out / picture) as temporary:
        Image.fromarray(overlay(image, labels, palette)).save(
            temporary, format='JPEG', quality=JPEG_QUALITY
        )
    return dict(
        file=str(file.path),
        mask=mask,
        overlay=picture,
        height=image.shape[0],
        width=image.shape[1],
        areas={
            name: round(share, 6)
            for name, share in class_areas(labels, segmentor.model.dataset_meta['classes']).items()
        },
    )
