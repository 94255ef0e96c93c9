"""Which files a data set has: one listing per folder in place of one look-up per sample."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from mmengine import fileio
from PIL import Image

# Formats that Pillow opens but that hold no photograph, or that run an interpreter when opened.
_NOT_PHOTOGRAPHS = {'BUFR', 'EPS', 'GRIB', 'HDF5', 'MPEG', 'PDF', 'WMF'}


@cache
def image_suffixes() -> frozenset[str]:
    """Lower-case file name suffixes of the image formats that Pillow reads."""
    return frozenset(
        suffix
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _NOT_PHOTOGRAPHS
    )


def normalise_name(name: str) -> str:
    """Bring a file name from a list into the form that :func:`index_folder` uses.

    Windows separators become ``/``, a leading ``./`` goes, and accents are composed (macOS stores
    them decomposed), so that a list written on one system matches the files on another.
    """
    name = unicodedata.normalize('NFC', name.strip().replace('\\', '/'))
    return name[2:] if name.startswith('./') else name


def leaves_folder(name: str) -> bool:
    """Whether a path, taken below a folder, would lead out of it.

    Such a name would write activation maps and masks elsewhere.
    """
    parts = name.replace('\\', '/').split('/')
    return '..' in parts or parts[0] == '' or '\0' in name


def index_folder(
    folder: str, suffix: str | None = None, backend_args: dict | None = None
) -> dict[str, str]:
    """List a folder and its sub-folders once.

    Args:
        folder: The folder of images or masks.
        suffix: End of the file names to accept, such as ``'.jpg'`` or ``'_mask.png'``, in any case.
            None accepts :func:`image_suffixes`.
        backend_args: Storage backend of mmengine; None for the local disk.

    Returns:
        Sample id (path relative to ``folder``, ``/`` as separator, no suffix) -> relative path.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If two files would have the same sample id, or the name of one, with Windows
            separators, would lead out of the folder.
    """
    if not fileio.isdir(folder, backend_args=backend_args):
        raise FileNotFoundError(f'folder not found: {folder}')
    index: dict[str, str] = {}
    for path in fileio.list_dir_or_file(
        folder, list_dir=False, recursive=True, backend_args=backend_args
    ):
        end = posixpath.splitext(path)[1] if suffix is None else path[-len(suffix) :]
        if end.lower() not in (image_suffixes() if suffix is None else (suffix.lower(),)):
            continue
        sample_id = normalise_name(path[: -len(end)])
        if leaves_folder(sample_id):
            raise ValueError(f"{folder}: the file name '{path}' leads out of the folder; rename it")
        other = index.setdefault(sample_id, path)
        if other != path:
            raise ValueError(
                f"{folder} has two images that differ only in their suffix: '{other}' "
                f"and '{path}'; CAMs and masks are named without it, so rename one"
            )
    return index


def read_split(path: str) -> list[str]:
    """Read a split file: one image name a line, empty lines skipped.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it names no image or is not UTF-8.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'split file not found: {path}')
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: must be UTF-8: {error}') from None
    names = [normalise_name(line) for line in text.splitlines() if line.strip()]
    if not names:
        raise ValueError(f'split file is empty: {path}')
    return names


def find_sample(name: str, index: Mapping[str, str]) -> str | None:
    """Return the sample id of an image named with or without its suffix, or None."""
    if name in index:
        return name
    sample_id = posixpath.splitext(name)[0]
    return sample_id if normalise_name(index.get(sample_id, '')) == name else None


def resolve_samples(
    names: Sequence[str], index: Mapping[str, str], folder: str, listed_in: str
) -> list[str]:
    """Turn the names of a split into sample ids.

    Raises:
        FileNotFoundError: If images are missing; tells how many, the first of them and where they
            are listed.
    """
    found = [find_sample(name, index) for name in names]
    missing = [name for name, sample_id in zip(names, found) if sample_id is None]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of the {len(names)} images listed in {listed_in} are not in {folder}; '
            f"the first is '{missing[0]}'"
        )
    return [sample_id for sample_id in found if sample_id is not None]
