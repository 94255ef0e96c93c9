"""Masks for scoring, where there are any."""

from __future__ import annotations

from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadOptionalMask(LoadAnnotations):
    """Loads the mask of a sample that has one; passes any other sample on.

    Unlike its parent it keeps the sides of masks that are one pixel wide or high; for this it
    comes after the image has been loaded.

    Arguments are those of :class:`mmseg.datasets.transforms.LoadAnnotations`.
    """

    def transform(self, results: dict) -> dict:
        """Sets ``gt_seg_map`` if ``seg_map_path`` is present."""
        return super().transform(results) if 'seg_map_path' in results else results

    def _load_seg_map(self, results: dict) -> None:
        super()._load_seg_map(results)
        mask = results['gt_seg_map']
        if mask.ndim < 2:  # the stock loader drops sides of one pixel
            results['gt_seg_map'] = mask.reshape(results['ori_shape'])  # (H, W)
