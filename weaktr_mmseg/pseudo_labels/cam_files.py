"""Files between the stages: class activation maps and label masks, written atomically."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..utils.files import UNREADABLE, atomic_path
from ..utils.masks import IGNORE_INDEX
from ..utils.moved import moved_names


class CAMFile(NamedTuple):
    """Class activation maps of one image.

    Attributes:
        cams: Maps of the present classes in [0, 1], (K, H, W), the size of the image; float16 on
            disk.
        class_ids: Foreground ids (0-based, background not counted), int64 (K,).
        class_names: Names of the present classes, ``K`` strings.
        config_hash: Identifies the configuration and checkpoint that made the maps.
        class_scores: Predicted probability of every class, float32 (C,), or None.
    """

    cams: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    config_hash: str
    class_scores: np.ndarray | None = None


def write_cams(
    path: str | Path,
    cams: np.ndarray,
    class_ids: Sequence[int],
    class_names: Sequence[str],
    config_hash: str = '',
    class_scores: np.ndarray | None = None,
) -> None:
    """Writes the maps of one image as compressed float16 ``.npz`` without pickle.

    Equal contents make equal files, byte for byte.

    Args:
        path: Target file.
        cams: Maps in [0, 1], (K, H, W).
        class_ids: Foreground ids, ``K``.
        class_names: Their names, ``K``.
        config_hash: Identifies what made the maps.
        class_scores: Predicted probability of every class, (C,), if known.

    Raises:
        ValueError: If the lengths of maps, ids and names differ.

    Examples:
        >>> cams = np.array([[[0.25, 1.0]]])  # one map of 1 x 2 pixels
        >>> write_cams('photo.npz', cams, class_ids=[14], class_names=['person'])
        >>> read_cams('photo.npz').class_names
        ('person',)
    """
    if not len(cams) == len(class_ids) == len(class_names):
        raise ValueError(
            f'{path}: expected as many maps as ids and names, got '
            f'{len(cams)}, {len(class_ids)} and {len(class_names)}'
        )
    arrays: dict[str, Any] = dict(
        cams=np.asarray(cams, dtype=np.float16),
        class_ids=np.asarray(class_ids, dtype=np.int64),
        class_names=np.asarray(class_names, dtype=np.str_),
        config_hash=np.asarray(config_hash, dtype=np.str_),
    )
    if class_scores is not None:
        arrays['class_scores'] = np.asarray(class_scores, dtype=np.float32)
    with atomic_path(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(file, **arrays)


def read_cams(path: str | Path) -> CAMFile:
    """Reads what :func:`write_cams` wrote; the maps become float32.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is torn or not a CAM file.

    Examples:
        >>> write_cams('photo.npz', np.array([[[0.25, 1.0]]]), [14], ['person'])
        >>> read_cams('photo.npz').cams.tolist()
        [[[0.25, 1.0]]]
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = CAMFile(
                arrays['cams'].astype(np.float32),
                np.asarray(arrays['class_ids']),
                tuple(arrays['class_names'].tolist()),
                str(arrays['config_hash']),
                arrays.get('class_scores'),
            )
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise ValueError(
            f'{path}: expected a CAM file (.npz), could not read it: {error}'
        ) from error
    ids = content.class_ids
    if ids.ndim != 1 or ids.dtype.kind not in 'iu' or not ((ids >= 0) & (ids < IGNORE_INDEX)).all():
        raise ValueError(f'{path}: expected class_ids 0..254 (K,), got {ids.dtype} {ids.shape}')
    if content.cams.ndim != 3 or not (
        len(content.cams) == len(content.class_ids) == len(content.class_names)
    ):
        raise ValueError(
            f'{path}: expected maps (K, H, W) with K ids and names, got {content.cams.shape}, '
            f'{content.class_ids.shape} and {len(content.class_names)} names'
        )
    return content


__getattr__ = moved_names(__name__)
