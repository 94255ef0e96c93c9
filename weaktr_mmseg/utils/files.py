"""Files written atomically, so that no reader ever sees a torn one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

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


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary name beside ``path`` and renames it to ``path`` on success.

    Readers see the old file or the complete new one, never a torn one; after an error the old
    file is intact and the temporary one is gone.

    Args:
        path: Final path; missing parent folders are made.

    Raises:
        OSError: For example if the disk is full; ``filename`` is the final path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f'.{path.name[:40]}.'  # a file system takes names of 255 bytes
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
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


def read_text(path: str | Path) -> str:
    """Reads text that a person has written, UTF-8 with or without its mark.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: must be UTF-8: {error}') from None


def write_text(path: str | Path, text: str) -> Path:
    """Writes text atomically, in UTF-8, and gives the path back."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return Path(path)


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Writes JSON atomically, in UTF-8."""
    write_text(path, json.dumps(content, indent=2) + '\n')


def file_digest(path: str | os.PathLike) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
