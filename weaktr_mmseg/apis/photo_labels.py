"""Image-level labels of photographs that are segmented, from the table that training reads."""

from __future__ import annotations

from pathlib import Path

from ..datasets.faults import ERROR
from ..datasets.label_sources.manifest_labels import read_manifest
from ..datasets.names import clean_label, clean_path
from ..utils.errors import WeakTrInputError, input_errors
from .images import ImageFile


class PhotoLabels:
    """Says which classes a photograph shows, as far as a table has it.

    Args:
        path: Table of images and labels, ``.csv`` or ``.json``, as for training.

    Raises:
        WeakTrInputError: If it cannot be read, or a row of it is wrong.
    """

    def __init__(self, path: str | Path) -> None:
        with input_errors(str(path)):
            rows = read_manifest(str(path))
        faults = [row.fault for row in rows if row.fault and row.fault.severity == ERROR]
        if faults:
            raise WeakTrInputError(f'{path}: {faults[0].message}')
        self.path = str(path)
        self._labels: dict[str, list[str]] = {}
        for row in rows:
            names = self._labels.setdefault(clean_path(row.image), [])
            names += [name for name in map(clean_label, row.names) if name not in names]

    def of(self, file: ImageFile) -> list[str] | None:
        """Names of the classes of a photograph; None if the table does not have it.

        A row means a file by its path below the folder that was named, or by the end of its path,
        each with or without suffix.
        """
        for name in self._candidates(file):
            if name in self._labels:
                return self._labels[name]
        return None

    @staticmethod
    def _candidates(file: ImageFile) -> list[str]:
        whole = clean_path(file.path.name)
        parent = file.name.rpartition('/')[0]
        below = f'{parent}/{whole}' if parent else whole
        return [below, clean_path(file.name), whole, clean_path(file.path.stem)]
