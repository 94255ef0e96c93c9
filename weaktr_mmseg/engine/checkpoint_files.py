"""Checkpoints that are complete or absent, and the one to resume from."""

from __future__ import annotations

import logging
import os
import zipfile
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log

from ..utils.files import atomic_path

# Written when a signal ends training within an epoch; see WeakTrEpochLoop.
INTERRUPTED = 'interrupted.pth'
# The file in which mmengine notes the newest checkpoint of a folder.
POINTER = 'last_checkpoint'
# For ``backend_args`` wherever mmengine writes a file.
ATOMIC = dict(backend='weaktr_atomic')


@register_backend('weaktr_atomic', force=True)
class AtomicLocalBackend(LocalBackend):
    """Local files that are replaced only by complete ones, on disk before they get their name."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes bytes; see :func:`weaktr_mmseg.utils.files.atomic_path`."""
        with atomic_path(filepath) as temporary, temporary.open('wb') as file:
            file.write(obj)
            file.flush()
            os.fsync(file.fileno())

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Writes text like :meth:`put`."""
        self.put(obj.encode(encoding), filepath)


def latest_checkpoint(folder: str | Path) -> str | None:
    """The newest complete checkpoint of a training.

    The one that mmengine's ``last_checkpoint`` names comes first, then the others by age. Torn
    files, of a full disk or a crashed machine, are named in the log and passed over.

    Args:
        folder: Work folder of the training.

    Returns:
        Its path, or None if there is none.
    """
    folder = Path(folder)
    files = [*folder.glob('epoch_*.pth'), *folder.glob(INTERRUPTED)]
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    pointer = folder / POINTER
    if pointer.is_file():
        newest = folder / Path(pointer.read_text(encoding='utf-8').strip()).name
        files.sort(key=lambda path: path != newest)
    for path in files:
        if is_complete(path):
            return str(path)
        print_log(f'{path} is torn: passed over', logger='current', level=logging.WARNING)
    return None


def is_complete(path: str | Path) -> bool:
    """Whether a checkpoint can be read to its end: all parts are there, with right checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
