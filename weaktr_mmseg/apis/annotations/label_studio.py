"""Label Studio tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from ...utils.files import write_text
from ...utils.palette import voc_palette
from .outlines import outline_rings
from .regions import Region
from .runs import run_lengths
from .source import AnnotatedImage
from .writer import POLYGONS, AnnotationWriter, ExportOptions, write_compact_json

URL_PREFIX = '/data/local-files/?d='  # of Label Studio's local storage
_SIZES = (3, 4, 8, 16)  # bits of the run lengths in a brush mask


class LabelStudioWriter(AnnotationWriter):
    """Writes ``tasks.json`` to import and ``label_config.xml``, the labelling interface.

    The regions are pre-annotations (``predictions``), which an annotator accepts or corrects: brush
    masks, which are exact, or polygons, where holes are reached by bridges.
    """

    def __init__(self, out: Path, options: ExportOptions) -> None:
        super().__init__(out, options)
        self.tag = 'polygonlabels' if self.kind == POLYGONS else 'brushlabels'
        self.tasks: list[dict[str, Any]] = []

    def add(self, image: AnnotatedImage, mask: np.ndarray, regions: Sequence[Region]) -> None:
        """Takes the annotations of a photograph."""
        prefix = URL_PREFIX if self.options.url_prefix is None else self.options.url_prefix
        values = (value for region in regions for value in self._values(region, mask.shape))
        result = [
            dict(
                id=f'region{index}',
                type=self.tag,
                from_name='label',
                to_name='image',
                original_width=image.width,
                original_height=image.height,
                image_rotation=0,
                value=value,
            )
            for index, value in enumerate(values, start=1)
        ]
        self.tasks.append(
            dict(
                data=dict(image=prefix + quote(image.file_name)),
                predictions=[dict(model_version='weaktr_mmseg', result=result)],
            )
        )

    def _values(self, region: Region, shape: tuple[int, ...]) -> list[dict[str, Any]]:
        labels = {self.tag: [self.options.classes[region.class_id]]}
        if self.kind == POLYGONS:
            percent = 100 / np.array(shape[::-1])
            rings = outline_rings(region, self.options.tolerance)
            return [
                dict(points=(ring * percent).round(4).tolist(), closed=True, **labels)
                for ring in rings
            ]
        canvas = np.zeros(shape, bool)
        region.paint(canvas, True)
        return [dict(format='rle', rle=list(brush_bytes(canvas)), **labels)]

    def close(self) -> Path:
        """Writes both files."""
        tag = 'PolygonLabels' if self.kind == POLYGONS else 'BrushLabels'
        palette = voc_palette(len(self.options.classes))[1:]
        labels = ''.join(
            f'    <Label value={quoteattr(name)} background="#{r:02x}{g:02x}{b:02x}"/>\n'
            for name, (r, g, b) in zip(self.foreground, palette)
        )
        config = (
            '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
            f'  <{tag} name="label" toName="image">\n{labels}  </{tag}>\n</View>\n'
        )
        write_text(self.out / 'label_config.xml', config)
        return write_compact_json(self.out / 'tasks.json', self.tasks)


def brush_bytes(bits: np.ndarray) -> bytes:
    """A bitmap in the form of Label Studio's brush, the run lengths of thi.ng/rle-pack.

    The bitmap stands for an image with four channels of 0 or 255. The bits of the stream: number of
    values (32), bits of a value less one (5), bits of the four sizes of a length less one (4 each);
    then for each run 1, the index of a size (2), the length less one (that size), the value (8).

    Args:
        bits: bool (H, W).
    """
    stream = [f'{4 * bits.size:032b}{7:05b}', *(f'{size - 1:04b}' for size in _SIZES)]
    for index, length in enumerate(run_lengths(bits)):
        value = f'{255 * (index % 2):08b}'
        rest = 4 * length
        while rest:
            part = min(rest, 1 << _SIZES[-1])
            choice = next(i for i, size in enumerate(_SIZES) if part <= 1 << size)
            stream.append(f'1{choice:02b}{part - 1:0{_SIZES[choice]}b}{value}')
            rest -= part
    text = ''.join(stream)
    padded = text + '0' * (-len(text) % 8)
    return int(padded, 2).to_bytes(len(padded) // 8, 'big')
