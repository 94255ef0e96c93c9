"""What every annotation format has in common."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...utils.errors import WeakTrInputError
from ...utils.files import write_text
from .regions import Region
from .source import AnnotatedImage

RLE, POLYGONS = 'rle', 'polygons'


@dataclass(frozen=True)
class ExportOptions:
    """How annotations are written.

    Attributes:
        classes: Names, background first; a label is its index.
        shapes: ``'rle'`` for exact bitmaps, ``'polygons'``; None takes the format's first kind.
        tolerance: By how many pixels simplifying may move an outline.
        url_prefix: What stands before the name of a photograph where a format refers to it by an
            address; None takes the format's own.
    """

    classes: Sequence[str]
    shapes: str | None = None
    tolerance: float = 1.0
    url_prefix: str | None = None


class AnnotationWriter(ABC):
    """Writes the annotations of photographs, one at a time, into a folder.

    Attributes:
        shapes: Kinds of shapes that the format knows, the default first.
        image_folder: Sub-folder of the output where the format looks for the photographs.

    Args:
        out: The folder.
        options: How to write.

    Raises:
        WeakTrInputError: If the format has no shapes of the requested kind.
    """

    shapes: ClassVar[tuple[str, ...]] = (RLE, POLYGONS)
    image_folder: ClassVar[str] = 'images'

    def __init__(self, out: Path, options: ExportOptions) -> None:
        self.out = out
        self.options = options
        self.kind = options.shapes or self.shapes[0]
        if self.kind not in self.shapes:
            raise WeakTrInputError(
                f'shapes: expected {" or ".join(self.shapes)} for this format, got {self.kind!r}'
            )
        self._owners: dict[str, str] = {}

    @property
    def foreground(self) -> list[str]:
        """Names of the classes without the background."""
        return list(self.options.classes[1:])

    def unique_stem(self, image: AnnotatedImage) -> str:
        """Name of a photograph without suffix, for formats with a file for each.

        Raises:
            WeakTrInputError: If another photograph has it, too.
        """
        other = self._owners.setdefault(image.stem, image.file_name)
        if other != image.file_name:
            raise WeakTrInputError(
                f"'{other}' and '{image.file_name}' differ in their suffix alone and would have "
                'one file of annotations; rename one of the photographs'
            )
        return image.stem

    @abstractmethod
    def add(self, image: AnnotatedImage, mask: np.ndarray, regions: Sequence[Region]) -> None:
        """Takes the annotations of a photograph.

        Args:
            image: The photograph.
            mask: Its labels, uint8 (H, W).
            regions: The regions to annotate.
        """

    @abstractmethod
    def close(self) -> Path:
        """Writes what describes all photographs.

        Returns:
            The file or folder that an annotation tool is given.
        """


def write_compact_json(path: Path, content: Any) -> Path:
    """Writes JSON without white space, in UTF-8, and gives its path back."""
    return write_text(path, json.dumps(content, ensure_ascii=False, separators=(',', ':')))
