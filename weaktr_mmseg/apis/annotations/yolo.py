"""YOLO segmentation labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...utils.files import write_text
from .outlines import join_rings, outline_rings
from .regions import Region
from .source import AnnotatedImage
from .writer import POLYGONS, AnnotationWriter

# Readers cut coordinates down to pixels and fill the outline with its edge (cv2.fillPoly). From a
# quarter of a pixel inside the region they reach exactly its pixels; from the edge, one too many.
INSET = 0.25


class YoloWriter(AnnotationWriter):
    """Writes ``labels/<name>.txt``, ``classes.txt`` and ``data.yaml``.

    A line has the class, counted from 0 without the background, and one polygon in shares of width
    and height. Holes, and the parts of a region that has several, are reached by bridges. A
    photograph without region has an empty file.
    """

    shapes = (POLYGONS,)

    def add(self, image: AnnotatedImage, mask: np.ndarray, regions: Sequence[Region]) -> None:
        """Writes the labels of a photograph.

        Raises:
            WeakTrInputError: If another photograph has the same name but for its suffix.
        """
        lines = (self._line(region, mask.shape) for region in regions)
        write_text(self.out / 'labels' / f'{self.unique_stem(image)}.txt', ''.join(lines))

    def _line(self, region: Region, shape: tuple[int, ...]) -> str:
        height, width = shape
        ring = join_rings(outline_rings(region, self.options.tolerance, INSET))
        numbers = ' '.join(f'{value:.6f}' for value in (ring / (width, height)).ravel())
        return f'{region.class_id - 1} {numbers}\n'

    def close(self) -> Path:
        """Writes the lists of classes."""
        write_text(self.out / 'classes.txt', ''.join(f'{name}\n' for name in self.foreground))
        names = ''.join(
            f'  {index}: {json.dumps(name, ensure_ascii=False)}\n'
            for index, name in enumerate(self.foreground)
        )
        text = (
            f'path: {json.dumps(str(self.out.resolve()), ensure_ascii=False)}\n'
            f'train: {self.image_folder}\n'
            f'val: {self.image_folder}  # the same photographs; name others to validate\n'
            f'names:\n{names}'
        )
        return write_text(self.out / 'data.yaml', text)
