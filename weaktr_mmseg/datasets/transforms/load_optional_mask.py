"""Masks for scoring, where there are any."""

from __future__ import annotations

from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadOptionalMask(LoadAnnotations):
    """Load the mask of a sample that has one; pass any other sample on.

    Arguments are those of :class:`mmseg.datasets.transforms.LoadAnnotations`.
    """

    def transform(self, results: dict) -> dict:
        """Set ``gt_seg_map`` if ``seg_map_path`` is present."""
        return super().transform(results) if 'seg_map_path' in results else results
