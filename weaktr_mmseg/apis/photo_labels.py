"""Image-level labels of photographs that are segmented, from the table that training reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from ..datasets.label_sources.manifest_labels import read_manifest
from ..datasets.names import clean_path
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
        self.path = str(path)
        self._labels: dict[str, list[str]] = {}
        for row in rows:
            names = self._labels.setdefault(row.image, [])
            names += [name for name in row.names if name not in names]

    def match(self, files: Sequence[ImageFile]) -> dict[ImageFile, list[str]]:
        """Names of the classes of those photographs that the table has.

        A row means a file by its path below the folder that was named, with or without suffix.
        One that is no such path means the file whose path ends so.

        Raises:
            WeakTrInputError: If a row could mean several of the files.
        """
        exact = _by_name((file, _below(file)) for file in files)
        ends = _by_name((file, end) for file in files for end in _ends(file))
        found: dict[ImageFile, list[str]] = {}
        for name, labels in self._labels.items():
            meant = exact.get(name) or ends.get(name, [])
            if len(meant) > 1:
                raise WeakTrInputError(
                    f"{self.path}: '{name}' could mean {meant[0].path} and {meant[1].path}; write "
                    'it with its folder and suffix'
                )
            for file in meant:
                known = found.setdefault(file, [])
                known += [label for label in labels if label not in known]
        return found


def _below(file: ImageFile) -> PurePosixPath:
    """Path of a photograph below the folder that was named, with its suffix."""
    return PurePosixPath(clean_path(file.name)).with_name(clean_path(file.path.name))


def _ends(file: ImageFile) -> Iterator[PurePosixPath]:
    parts = PurePosixPath(clean_path(file.path.absolute().as_posix())).parts
    return (PurePosixPath(*parts[start:]) for start in range(1, len(parts)))


def _by_name(paths: Iterable[tuple[ImageFile, PurePosixPath]]) -> dict[str, list[ImageFile]]:
    """Files by their paths, with suffix, which come first, and without."""
    named = list(paths)
    found: dict[str, list[ImageFile]] = {}
    for file, path in named:
        found.setdefault(str(path), []).append(file)
    whole = set(found)
    for file, path in named:
        stem = str(path.with_suffix(''))
        if stem not in whole:
            found.setdefault(stem, []).append(file)
    return found
