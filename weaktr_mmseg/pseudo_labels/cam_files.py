"""Files between the stages: class activation maps and label masks, written atomically."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

IGNORE_INDEX = 255
# What NumPy raises on torn, damaged and foreign files.
UNREADABLE = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


class CAMFile(NamedTuple):
    """Class activation maps of one image.

    Attributes:
        cams: Maps of the present classes in [0, 1], (K, H, W), float16 on disk.
        class_ids: Foreground ids (0-based, background not counted), int64 (K,).
        class_names: Names of the present classes, ``K`` strings.
        config_hash: Identifies the configuration and checkpoint that made the maps.
    """

    cams: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    config_hash: str


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary name beside ``path`` and renames it to ``path`` on success.

    Readers see the old file or the complete new one, never a torn one; after an error the old
    file is intact and the temporary one is gone.

    Args:
        path: Final path; missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


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
) -> None:
    """Writes the maps of one image as compressed float16 ``.npz`` without pickle.

    Args:
        path: Target file.
        cams: Maps in [0, 1], (K, H, W).
        class_ids: Foreground ids, ``K``.
        class_names: Their names, ``K``.
        config_hash: Identifies what made the maps.

    Raises:
        ValueError: If the lengths of maps, ids and names differ.
    """
    if not len(cams) == len(class_ids) == len(class_names):
        raise ValueError(
            f'{path}: expected as many maps as ids and names, got '
            f'{len(cams)}, {len(class_ids)} and {len(class_names)}'
        )
    with atomic_path(path) as temporary, temporary.open('wb') as file:
        np.savez_compressed(
            file,
            cams=np.asarray(cams, dtype=np.float16),
            class_ids=np.asarray(class_ids, dtype=np.int64),
            class_names=np.asarray(class_names, dtype=np.str_),
            config_hash=np.asarray(config_hash, dtype=np.str_),
        )


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
                arrays['class_ids'],
                tuple(arrays['class_names'].tolist()),
                str(arrays['config_hash']),
            )
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise ValueError(
            f'{path}: expected a CAM file (.npz), could not read it: {error}'
        ) from error
    if content.cams.ndim != 3 or not (
        len(content.cams) == len(content.class_ids) == len(content.class_names)
    ):
        raise ValueError(
            f'{path}: expected maps (K, H, W) with K ids and names, got {content.cams.shape}, '
            f'{content.class_ids.shape} and {len(content.class_names)} names'
        )
    return content


def write_mask(path: str | Path, mask: np.ndarray, palette: Sequence[Sequence[int]]) -> None:
    """Writes a label map as palette PNG, 255 (ignore) in near-white.

    Args:
        path: Target file, ``.png``.
        mask: Labels, uint8 (H, W).
        palette: RGB colour of each label, background first.
    """
    colours = np.full((256, 3), 224, dtype=np.uint8)
    colours[: len(palette)] = palette
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(colours.tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format='PNG')


def read_mask(path: str | Path) -> np.ndarray:
    """Reads a palette or grayscale PNG as labels, uint8 (H, W).

    Raises:
        ValueError: If the file is no image with one channel of labels.
    """
    try:
        with Image.open(path) as image:
            mode = image.mode
            mask = np.array(image)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path}: expected a mask (PNG), could not read it: {error}') from error
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise ValueError(f'{path}: expected one 8-bit channel of labels, got image mode {mode}')
    return mask
