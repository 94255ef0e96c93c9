"""Masks with contiguous ids 0..80 for COCO 2014, from its outlines or from 91-way masks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np

from ..utils.files import write_text
from ..utils.masks import IGNORE_INDEX, read_mask, write_mask
from ..utils.palette import voc_palette
from ..utils.progress import progress_bar
from .coco_categories import COCO_CATEGORIES, COCO_CATEGORY_IDS
from .names import leaves_folder

MAPPING_FILE = 'category_mapping.json'


def paint_mask(annotations: Iterable[Mapping], height: int, width: int) -> np.ndarray:
    """Paints the objects of one image, the largest first, so that no object hides a smaller one.

    Args:
        annotations: COCO annotations: ``segmentation`` (polygons or run lengths), ``category_id``
            and ``area``. Crowd regions are painted like objects.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        uint8 (height, width), 0 background, 1..80 the classes sorted by category id.
    """
    from pycocotools import mask as coco_mask

    labels = np.zeros((height, width), np.uint8)
    for annotation in sorted(annotations, key=lambda entry: entry['area'], reverse=True):
        shape = annotation['segmentation']
        if isinstance(shape, list):
            shape = coco_mask.merge(coco_mask.frPyObjects(shape, height, width))
        elif isinstance(shape['counts'], list):
            shape = coco_mask.frPyObjects(shape, height, width)
        inside = coco_mask.decode(shape).astype(bool)  # (H, W)
        labels[inside] = COCO_CATEGORY_IDS.index(annotation['category_id']) + 1
    return labels


def to_contiguous(mask: np.ndarray) -> np.ndarray:
    """Converts original category ids to contiguous ones; 0 and 255 stay.

    Args:
        mask: uint8 (H, W) with ids 0, 1..90 and 255.

    Raises:
        ValueError: If an id is none of COCO's.
    """
    known = [0, *COCO_CATEGORY_IDS, IGNORE_INDEX]
    unknown = sorted(set(np.unique(mask).tolist()) - set(known))
    if unknown:
        raise ValueError(f'ids {unknown} are no COCO category ids: is the mask contiguous already?')
    table = np.zeros(256, np.uint8)
    table[known] = [0, *range(1, len(COCO_CATEGORY_IDS) + 1), IGNORE_INDEX]
    return table[mask]


def write_masks_of_split(annotation_file: str, out_dir: str, workers: int = 0) -> int:
    """Writes the mask of every annotated image of one ``instances_*.json``.

    Args:
        annotation_file: The JSON file.
        out_dir: Folder for ``<image name>.png`` and the mapping of ids.
        workers: Processes besides this one.

    Returns:
        The number of masks.

    Raises:
        FileNotFoundError: If the annotation file is missing.
    """
    if not Path(annotation_file).is_file():
        raise FileNotFoundError(f'COCO annotation file not found: {annotation_file}')
    content = json.loads(Path(annotation_file).read_bytes())
    by_image: dict[int, list[dict]] = {}
    for annotation in content['annotations']:
        by_image.setdefault(annotation['image_id'], []).append(annotation)
    jobs = [(image, by_image[image['id']]) for image in content['images']
            if image['id'] in by_image]  # fmt: skip
    write_mapping(out_dir)
    return _run(partial(_paint_one, out_dir=Path(out_dir)), jobs, workers)


def convert_folder(source_dir: str, out_dir: str, workers: int = 0) -> int:
    """Converts a folder of masks with original ids to contiguous ids.

    Args:
        source_dir: Folder of PNG masks, ids 0, 1..90, 255.
        out_dir: Another folder, for the converted masks and the mapping of ids.
        workers: Processes besides this one.

    Returns:
        The number of masks.

    Raises:
        ValueError: If both folders are the same, there is no mask, or a mask has other ids.
    """
    if Path(source_dir).resolve() == Path(out_dir).resolve():
        raise ValueError(f'{source_dir}: give another folder for the converted masks')
    files = sorted(Path(source_dir).rglob('*.png'))
    if not files:
        raise ValueError(f'{source_dir}: no .png mask found')
    write_mapping(out_dir)
    return _run(partial(_convert_one, root=Path(source_dir), out_dir=Path(out_dir)), files, workers)


def write_mapping(out_dir: str) -> None:
    """Writes what each mask id means beside the masks."""
    mapping = [dict(mask_id=0, category_id=None, name='background')]
    for mask_id, (category_id, name) in enumerate(COCO_CATEGORIES.items(), start=1):
        mapping.append(dict(mask_id=mask_id, category_id=category_id, name=name))
    write_text(Path(out_dir) / MAPPING_FILE, json.dumps(mapping, indent=1))


def _paint_one(job: tuple[dict, list[dict]], out_dir: Path) -> None:
    image, annotations = job
    if leaves_folder(image['file_name']):
        raise ValueError(f'the file name {image["file_name"]!r} leads out of the image folder')
    mask = paint_mask(annotations, image['height'], image['width'])
    target = out_dir / Path(image['file_name']).with_suffix('.png')
    write_mask(target, mask, voc_palette(len(COCO_CATEGORIES) + 1))


def _convert_one(file: Path, root: Path, out_dir: Path) -> None:
    try:
        mask = to_contiguous(read_mask(file))
    except ValueError as error:
        raise ValueError(f'{file}: {error}') from None
    write_mask(out_dir / file.relative_to(root), mask, voc_palette(len(COCO_CATEGORIES) + 1))


def _run(work: Callable, jobs: Sequence, workers: int) -> int:
    pool = ProcessPoolExecutor(workers) if workers > 0 else None
    with pool or nullcontext():
        done = pool.map(work, jobs, chunksize=64) if pool else map(work, jobs)
        return sum(1 for _ in progress_bar(done, len(jobs), 'masks'))
