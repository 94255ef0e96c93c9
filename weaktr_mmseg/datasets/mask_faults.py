"""What can be wrong with the masks of a data set, found before anything is scored with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..utils.masks import IGNORE_INDEX, read_mask
from .faults import ERROR, WARNING, Fault
from .file_index import FolderIndex
from .listing_cache import remember

LOOKED_AT = 64  # masks of each data set, when it is listed
MOST_LOOKED_AT = 1000  # while none of them shows any class


def missing_masks(masks: FolderIndex, infos: Iterable[dict]) -> list[Fault]:
    """Returns a fault for each sample without a mask."""
    faults = []
    for sample, image in ((info['sample_id'], info['img_path']) for info in infos):
        if sample not in masks:
            message = f"'{sample}{masks.suffix}' is not there, the mask of {image}"
            faults.append(Fault('mask-missing', masks.folder, message, sample, missing=True))
    return faults


def stray_masks(masks: FolderIndex, images: FolderIndex) -> list[Fault]:
    """Returns a warning if files in a folder of masks belong to no image."""
    stray = [masks[i] for i in masks if i not in images] + masks.others
    if not stray:
        return []
    total = len(masks) + len(masks.others)
    example = next(iter(images), 'photo')
    message = (
        f"{masks.folder} has {total} files, {total - len(stray)} of them belong to images; '"
        f"{stray[0]}' does not: the mask of '{images.get(example, example)}' must be named "
        f"'{example}{masks.suffix}'"
    )
    return [Fault('mask-stray', masks.folder, message, severity=WARNING)]


def check_some_masks(
    judge: Callable[[list[int], list[int] | None], tuple[str, str] | None],
    infos: Sequence[dict],
    folder: str,
) -> list[Fault]:
    """Opens a few masks, since masks with other ids would silently make scores wrong.

    Args:
        judge: Returns check and message for the ids of a mask and the labels of its image, or None.
        infos: Data infos; those with ``seg_map_path`` are examined, evenly spaced. If none of
            them shows any class, more are opened until one does.
        folder: Where the masks are.
    """
    masked = [info for info in infos if 'seg_map_path' in info]
    step = max(1, len(masked) // LOOKED_AT)
    first = masked[::step]
    seen: set[int] = set()
    count = 0
    for number, info in enumerate([*first, *masked][:MOST_LOOKED_AT]):
        if number >= len(first) and any(0 < i < IGNORE_INDEX for i in seen):
            break
        ids = remember(('ids', info['seg_map_path']), lambda: mask_ids(info['seg_map_path']))  # noqa: B023
        if ids is None:  # unreadable: reported where masks are loaded
            continue
        problem = judge(ids, info.get('image_labels'))
        if problem is not None:
            return [Fault(problem[0], info['seg_map_path'], problem[1])]
        seen.update(ids)
        count += 1
    return no_foreground(seen, count, folder)


def no_foreground(ids: Iterable[int], count: int, folder: str) -> list[Fault]:
    """Returns a fault if masks show no class at all, which would score background alone.

    Args:
        ids: All ids that occur in them.
        count: Number of the masks.
        folder: Where they are.
    """
    ids = set(ids)
    if not count or any(0 < i < IGNORE_INDEX for i in ids):
        return []
    if IGNORE_INDEX not in ids:
        message = f'none of {count} masks in {folder} shows any class: all pixels are 0, background'
        return [Fault('mask-foreground', folder, message, severity=WARNING)]
    message = (
        f'none of {count} masks in {folder} shows any class: their ids are {sorted(ids)}, and '
        f'{IGNORE_INDEX} means "left out of scores"; where it marks the object, write 1, the id of '
        f'the first class, in place of {IGNORE_INDEX}'
    )
    return [Fault('mask-foreground', folder, message, severity=ERROR)]


def mask_ids(path: str) -> list[int] | None:
    """Returns the ids of a mask file, sorted, or None if it cannot be read."""
    try:
        return np.flatnonzero(np.bincount(read_mask(path).ravel(), minlength=256)).tolist()
    except (OSError, ValueError):
        return None
