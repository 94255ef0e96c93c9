"""The layout of Pascal VOC's segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...utils.errors import WeakTrInputError
from ...utils.files import write_text
from ...utils.masks import IGNORE_INDEX, write_mask
from ...utils.palette import voc_palette
from .regions import Region
from .shapes import IGNORE_NAME
from .source import AnnotatedImage
from .writer import AnnotationWriter, ExportOptions

MAX_OBJECTS = 254  # values of an 8-bit PNG between background and 255
_PALETTE = voc_palette(IGNORE_INDEX + 1)  # 255 in the beige of VOC's own masks


class VocWriter(AnnotationWriter):
    """Writes ``SegmentationClass``, ``SegmentationObject``, ``ImageSets`` and ``labelmap.txt``.

    The PNGs have palettes: labels in the one folder, numbers of regions in the other, 255 where the
    mask says that nothing is known. CVAT ("Segmentation mask 1.1") and Datumaro read the colours,
    which ``labelmap.txt`` lists: 255, if it occurs, as a label ``ignore``.
    """

    shapes = ('pixels',)
    image_folder = 'JPEGImages'

    def __init__(self, out: Path, options: ExportOptions) -> None:
        super().__init__(out, options)
        unfit = [name for name in options.classes if set(name) & set(':\r\n')]
        if unfit:
            raise WeakTrInputError(
                f'class {unfit[0]!r}: a colon ends each name in labelmap.txt, so none may have one'
            )
        self.names: list[str] = []
        self.has_unknown = False

    def add(self, image: AnnotatedImage, mask: np.ndarray, regions: Sequence[Region]) -> None:
        """Writes the masks of a photograph.

        Raises:
            WeakTrInputError: If there are more regions than the format can number, or another
                photograph has the same name but for its suffix.
        """
        stem = self.unique_stem(image)
        if len(regions) > MAX_OBJECTS:
            raise WeakTrInputError(
                f'{image.mask}: expected at most {MAX_OBJECTS} regions, got {len(regions)}; leave '
                'small ones out with a minimum area, or make one of each class'
            )
        labels = np.where(mask == IGNORE_INDEX, mask, 0).astype(np.uint8)  # (H, W)
        objects = labels.copy()
        for number, region in enumerate(regions, start=1):
            region.paint(labels, region.class_id)
            region.paint(objects, number)
        write_mask(self.out / 'SegmentationClass' / f'{stem}.png', labels, _PALETTE)
        write_mask(self.out / 'SegmentationObject' / f'{stem}.png', objects, _PALETTE)
        self.names.append(stem)
        self.has_unknown |= bool((labels == IGNORE_INDEX).any())

    def close(self) -> Path:
        """Writes the lists of classes and photographs."""
        names = ''.join(f'{name}\n' for name in self.names)
        write_text(self.out / 'ImageSets/Segmentation/default.txt', names)
        colours = dict(zip(self.options.classes, _PALETTE))
        if self.has_unknown:
            colours.setdefault(IGNORE_NAME, _PALETTE[IGNORE_INDEX])
        lines = (f'{name}:{r},{g},{b}::\n' for name, (r, g, b) in colours.items())
        text = '# label:color_rgb:parts:actions\n' + ''.join(lines)
        return write_text(self.out / 'labelmap.txt', text)
