"""CVAT for images 1.1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from ...utils.files import atomic_path
from ...utils.palette import voc_palette
from .outlines import outline_rings
from .regions import Region
from .runs import run_lengths
from .source import AnnotatedImage
from .writer import POLYGONS, AnnotationWriter, ExportOptions


class CvatWriter(AnnotationWriter):
    """Writes ``annotations.xml``, to upload to a task that has the photographs.

    Masks are exact. CVAT's polygons know no holes, so these are reached by bridges; the parts of a
    region are polygons of one group.
    """

    def __init__(self, out: Path, options: ExportOptions) -> None:
        super().__init__(out, options)
        self.root = ET.Element('annotations')
        ET.SubElement(self.root, 'version').text = '1.1'
        labels = ET.SubElement(ET.SubElement(ET.SubElement(self.root, 'meta'), 'task'), 'labels')
        palette = voc_palette(len(options.classes))[1:]
        for name, (red, green, blue) in zip(self.foreground, palette):
            label = ET.SubElement(labels, 'label')
            ET.SubElement(label, 'name').text = name
            ET.SubElement(label, 'color').text = f'#{red:02x}{green:02x}{blue:02x}'
            ET.SubElement(label, 'attributes')
        self.count = 0

    def add(self, image: AnnotatedImage, mask: np.ndarray, regions: Sequence[Region]) -> None:
        """Takes the annotations of a photograph."""
        size = dict(width=str(image.width), height=str(image.height))
        node = ET.SubElement(
            self.root, 'image', dict(id=str(self.count), name=image.file_name, **size)
        )
        self.count += 1
        for group, region in enumerate(regions, start=1):
            common = dict(
                label=self.options.classes[region.class_id],
                source='auto',
                occluded='0',
                z_order='0',
            )
            if self.kind == POLYGONS:
                self._add_polygons(node, region, common, group)
            else:
                _add_mask(node, region, common)

    def _add_polygons(
        self, node: ET.Element, region: Region, common: dict[str, str], group: int
    ) -> None:
        rings = outline_rings(region, self.options.tolerance)
        if len(rings) > 1:
            common = dict(common, group_id=str(group))
        for ring in rings:
            points = ';'.join(f'{x:.2f},{y:.2f}' for x, y in ring)
            ET.SubElement(node, 'polygon', dict(common, points=points))

    def close(self) -> Path:
        """Writes the file."""
        ET.indent(self.root)
        path = self.out / 'annotations.xml'
        with atomic_path(path) as temporary:
            ET.ElementTree(self.root).write(temporary, encoding='utf-8', xml_declaration=True)
        return path


def _add_mask(node: ET.Element, region: Region, common: dict[str, str]) -> None:
    height, width = region.pixels.shape
    box = dict(left=region.left, top=region.top, width=width, height=height)
    rle = ', '.join(map(str, run_lengths(region.pixels)))
    attributes = {key: str(value) for key, value in box.items()}
    ET.SubElement(node, 'mask', dict(common, rle=rle, **attributes))
