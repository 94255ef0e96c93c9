"""Writes class activation maps as files while a stock test loop runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ..pseudo_labels.cam_files import write_cams
from ..pseudo_labels.count_files import counts_key, write_counts
from ..pseudo_labels.threshold_choice import OTSU
from .cam_metric import new_sweep


@METRICS.register_module()
class WeakTrCAMWriter(BaseMetric):
    """Writes the fused maps of each image to ``folder/<sample_id>.npz``.

    Coarse maps are scored beside the fused ones but never used, so for images with a mask a few
    kilobytes of counts take their place on disk.

    It stands among the evaluators because they are what mmengine's test loop hands predictions to;
    it gives no score.

    Args:
        folder: Where the files go.
        config_hash: Written into each file.
        coarse_folder: Where a threshold sweep over the coarse maps of each image goes, if anywhere.
        threshold: As for :class:`WeakTrCAMMetric`, for that sweep.
        **kwargs: Arguments of mmengine's ``BaseMetric``.
    """

    def __init__(
        self,
        folder: str,
        config_hash: str = '',
        coarse_folder: str | None = None,
        threshold: float | str = OTSU,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.folder = Path(folder)
        self.config_hash = config_hash
        self.coarse_folder = coarse_folder
        self.threshold = threshold

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Writes a batch of predictions (``cams``, ``cam_classes``, ``class_scores``)."""
        foreground = self.dataset_meta['classes'][1:]
        for sample in data_samples:
            if self.coarse_folder and 'gt_sem_seg' in sample and 'coarse_cams' in sample:
                self._write_counts(sample)  # first: a CAM file is the last of its image
            class_ids, scores = sample['cam_classes'].tolist(), sample.get('class_scores')
            write_cams(
                self.folder / f'{sample["sample_id"]}.npz',
                sample['cams'].cpu().numpy(),
                class_ids,
                [foreground[class_id] for class_id in class_ids],
                self.config_hash,
                None if scores is None else scores.cpu().numpy(),
            )

    def _write_counts(self, sample: dict) -> None:
        sweep = new_sweep(len(self.dataset_meta['classes']), self.threshold)
        sweep.update(
            sample['coarse_cams'].cpu().numpy(),
            sample['cam_classes'].cpu().numpy(),
            sample['gt_sem_seg']['data'][0].cpu().numpy(),
        )
        key = counts_key(self.config_hash, sweep, sample['seg_map_path'])
        write_counts(f'{self.coarse_folder}/{sample["sample_id"]}.npz', sweep, key)

    def evaluate(self, size: int) -> dict[str, float]:
        """Has nothing to compute."""
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Has nothing to compute."""
        return {}
