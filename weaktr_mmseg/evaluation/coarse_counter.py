"""Keeps the score of the coarse maps of each image while a stock test loop runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ..pseudo_labels.count_files import counts_key, write_counts
from ..pseudo_labels.threshold_choice import OTSU
from .cam_metric import new_sweep


@METRICS.register_module()
class WeakTrCoarseCounter(BaseMetric):
    """Writes a threshold sweep over the coarse maps of each image to ``folder/<sample_id>.npz``.

    Coarse maps are scored beside the fused ones but never used, so a few kilobytes of counts take
    their place on disk. Images without a mask, and models that predict no coarse maps, give none.

    Args:
        folder: Where the files go.
        config_hash: Identifies what made the maps.
        threshold: As for :class:`WeakTrCAMMetric`.
        collect_device: As in mmengine.
        prefix: As in mmengine.
    """

    def __init__(
        self,
        folder: str,
        config_hash: str,
        threshold: float | str = OTSU,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        self.folder = Path(folder)
        self.config_hash = config_hash
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Counts a batch of predictions (``coarse_cams``, ``cam_classes``)."""
        for sample in data_samples:
            if 'gt_sem_seg' in sample and 'coarse_cams' in sample:
                sweep = new_sweep(len(self.dataset_meta['classes']), self.threshold)
                sweep.update(
                    sample['coarse_cams'].cpu().numpy(),
                    sample['cam_classes'].cpu().numpy(),
                    sample['gt_sem_seg']['data'][0].cpu().numpy(),
                )
                key = counts_key(self.config_hash, sweep, sample['seg_map_path'])
                write_counts(self.folder / f'{sample["sample_id"]}.npz', sweep, key)

    def evaluate(self, size: int) -> dict[str, float]:
        """Has nothing to compute."""
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Has nothing to compute."""
        return {}
