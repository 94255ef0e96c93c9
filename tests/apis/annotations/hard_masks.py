"""Masks with everything that is hard about outlines, and what to compare with them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from weaktr_mmseg.apis.annotations import ExportOptions, export_masks

CLASSES = ['background', 'Кошка & <"dog">', 'größe, 2', 'tree']
NAMES = ['a/photo.jpg', 'b/photo.png', 'ünï & <x>.jpg', 'empty.jpg']


def hard_mask(seed: int = 0, height: int = 60, width: int = 90) -> np.ndarray:
    """Blobs with holes and islands, single pixels, corners that touch, borders, unknown pixels."""
    rng = np.random.default_rng(seed)
    scores = [cv2.GaussianBlur(rng.random((height, width)), (0, 0), 3) for _ in CLASSES]
    mask = np.argmax(scores, axis=0).astype(np.uint8)
    mask[5:25, 5:30] = 1
    mask[9:20, 9:25] = 0  # a hole
    mask[12:16, 12:18] = 1  # an island in it
    mask[13, 14] = 255
    mask[30, :] = 3  # a line of one pixel from border to border
    mask[35:45, 60:90] = 0
    mask[40, 70] = 2  # a single pixel
    mask[42, 72], mask[43, 73] = 3, 3  # two that touch at a corner
    mask[50:, 80:] = 255
    mask[0, 0] = mask[-1, -1] = 1
    return mask


class Photographs(NamedTuple):
    """Folders of masks and photographs, and the masks by the names of the photographs."""

    masks: Path
    images: Path
    truth: dict[str, np.ndarray]

    def expected(self, name: str) -> np.ndarray:
        """What annotations can say of a mask: unknown pixels are in no region."""
        return np.where(self.truth[name] == 255, 0, self.truth[name])

    def export(self, out: Path, to: str, min_area: int = 0, per_class: bool = False, **options):
        return export_masks(
            self.masks,
            self.images,
            out,
            to,
            ExportOptions(CLASSES, **options),
            min_area=min_area,
            per_class=per_class,
        )


def miou(truth: np.ndarray, labels: np.ndarray) -> float:
    """Lowest IoU of the classes that occur in either."""
    classes = set(np.unique(truth)) | set(np.unique(labels))
    return min(
        ((truth == c) & (labels == c)).sum() / ((truth == c) | (labels == c)).sum() for c in classes
    )
