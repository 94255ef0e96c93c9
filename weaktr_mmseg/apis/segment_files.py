"""Segmentation of files: masks, overlays and class areas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..utils.files import atomic_path, write_text
from ..utils.images import read_rgb
from ..utils.masks import write_mask
from ..utils.progress import progress_bar
from .images import ImageFile, find_images
from .photo_labels import PhotoLabels
from .segment import PhotoSegmentor, class_areas, overlay

MASKS, OVERLAYS, AREAS_FILE = 'masks', 'overlays', 'areas.json'
JPEG_QUALITY = 92


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
        inputs: Images and folders of images; images in ``out_dir`` are passed over.
        out_dir: Where the files go.
        labels: What photographs are known to show; each gets masks of these classes alone. Those
            that the table does not have are segmented without.

    Returns:
        ``classes``, ``colours`` (of masks and overlays), ``images`` (``file``, ``mask``,
        ``overlay``, ``height``, ``width``, ``areas``, the share of each class, and ``labels``, the
        classes it was known to show or None), ``mean_areas`` over the images, and ``failed``
        (``file``, ``error``) for the images that cannot be read.

    Raises:
        WeakTrInputError: If an input does not exist or a folder has no image.
    """
    out = Path(out_dir)
    files = find_images(inputs, exclude=out)
    classes = list(segmentor.model.dataset_meta['classes'])
    images, failed = [], []
    for file in progress_bar(files, desc='Segmenting'):
        try:
            image = read_rgb(str(file.path))
        except (OSError, ValueError) as error:
            failed.append(dict(file=str(file.path), error=str(error)))
            continue
        present = None if labels is None else labels.of(file)
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
    write_mask(out / mask, labels, palette)
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
