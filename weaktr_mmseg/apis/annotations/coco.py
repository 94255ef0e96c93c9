"""COCO instances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .outlines import outline_rings
from .regions import Region
from .shapes import import_coco_mask
from .source import AnnotatedImage
from .writer import POLYGONS, AnnotationWriter, ExportOptions, write_compact_json


class CocoWriter(AnnotationWriter):
    """Writes ``instances.json`` for pycocotools and every tool that reads COCO.

    The id of a category is the label of its class in masks. Run lengths are exact; a hole in a
    polygon is reached by a bridge, and the parts of a region are separate polygons.
    """

    def __init__(self, out: Path, options: ExportOptions) -> None:
        super().__init__(out, options)
        self.coco_mask = import_coco_mask()
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, image: AnnotatedImage, mask: np.ndarray, regions: Sequence[Region]) -> None:
        """Takes the annotations of a photograph."""
        image_id = len(self.images) + 1
        self.images.append(
            dict(id=image_id, file_name=image.file_name, height=image.height, width=image.width)
        )
        for region in regions:
            height, width = region.pixels.shape
            self.annotations.append(
                dict(
                    id=len(self.annotations) + 1,
                    image_id=image_id,
                    category_id=region.class_id,
                    segmentation=self._segmentation(region, mask.shape),
                    area=region.area,
                    bbox=[region.left, region.top, width, height],
                    iscrowd=0,
                )
            )

    def _segmentation(self, region: Region, shape: tuple[int, ...]) -> Any:
        if self.kind == POLYGONS:
            rings = outline_rings(region, self.options.tolerance)
            return [ring.round(2).ravel().tolist() for ring in rings]
        canvas = np.zeros(shape, np.uint8, order='F')
        region.paint(canvas, 1)
        encoded = self.coco_mask.encode(canvas)
        return dict(size=list(shape), counts=encoded['counts'].decode('ascii'))

    def close(self) -> Path:
        """Writes the file."""
        categories = [
            dict(id=index, name=name, supercategory='')
            for index, name in enumerate(self.foreground, start=1)
        ]
        content = dict(
            info=dict(description='Masks of weaktr_mmseg'),
            licenses=[],
            images=self.images,
            annotations=self.annotations,
            categories=categories,
        )
        return write_compact_json(self.out / 'instances.json', content)
