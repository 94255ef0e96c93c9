"""Files between the stages: class activation maps and label masks, written atomically."""

from __future__ import annotations

import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

IGNORE_INDEX = 255
STAMP_KEY = 'weaktr'  # of the text chunk in a mask
# What NumPy and Pillow raise on torn, damaged and foreign files.
UNREADABLE = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    Image.DecompressionBombError,
)


_TEMPORARY_NAME = re.compile(r'\..+\.[a-z0-9_]{8}(\.[^.]+)?')  # of tempfile.mkstemp


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


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary name beside ``path`` and renames it to ``path`` on success.

    Readers see the old file or the complete new one, never a torn one; after an error the old
    file is intact and the temporary one is gone.

    Args:
        path: Final path; missing parent folders are made.

    Raises:
        OSError: If the disk is full, for one; ``filename`` is the final path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, name):
            error.filename = str(path)  # what a user knows
        raise
    finally:
        Path(name).unlink(missing_ok=True)


def remove_leftovers(folder: str | os.PathLike, recursive: bool = True) -> None:
    """Removes the temporary files that a killed process left of :func:`atomic_path`."""
    find = Path(folder).rglob if recursive else Path(folder).glob
    for path in find('.*'):
        if _TEMPORARY_NAME.fullmatch(path.name):
            path.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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


def write_mask(
    path: str | Path, mask: np.ndarray, palette: Sequence[Sequence[int]], stamp: str = ''
) -> None:
    """Writes a label map as palette PNG, 255 (ignore) in near-white.

    Args:
        path: Target file, ``.png``.
        mask: Labels, uint8 (H, W).
        palette: RGB colour of each label, background first.
        stamp: Says what the mask was made from; kept as text in the PNG.
    """
    colours = np.full((256, 3), 224, dtype=np.uint8)
    colours[: len(palette)] = palette
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(colours.tobytes())
    text = PngInfo()
    if stamp:
        text.add_text(STAMP_KEY, stamp)
    with atomic_path(path) as temporary:
        image.save(temporary, format='PNG', pnginfo=text)


def read_mask(path: str | Path) -> np.ndarray:
    """Reads a palette or grayscale PNG as labels, uint8 (H, W).

    Raises:
        ValueError: If the file is no image with one channel of labels.
    """
    return read_stamped_mask(path)[0]


def read_stamped_mask(path: str | Path) -> tuple[np.ndarray, str]:
    """Reads a mask as :func:`read_mask` does, and its stamp, which is empty if there is none."""
    try:
        with Image.open(path) as image:
            mode = image.mode
            mask = np.array(image)
            stamp = str(image.info.get(STAMP_KEY, ''))
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise ValueError(f'{path}: expected a mask (PNG), could not read it: {error}') from error
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise ValueError(f'{path}: expected one 8-bit channel of labels, got image mode {mode}')
    return mask, stamp
