"""Writes class activation maps as files while a stock test loop runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ..pseudo_labels.cam_files import write_cams


@METRICS.register_module()
class WeakTrCAMWriter(BaseMetric):
    """Writes the fused maps of each image to ``folder/<sample_id>.npz``.

    It stands among the evaluators because they are what mmengine's test loop hands predictions to;
    it gives no score.

    Args:
        folder: Where the files go.
        config_hash: Written into each file.
        collect_device: As in mmengine.
        prefix: As in mmengine.
    """

    def __init__(
        self,
        folder: str,
        config_hash: str = '',
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        self.folder = Path(folder)
        self.config_hash = config_hash

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Writes a batch of predictions (``cams``, ``cam_classes``, ``class_scores``)."""
        foreground = self.dataset_meta['classes'][1:]
        for sample in data_samples:
            class_ids, scores = sample['cam_classes'].tolist(), sample.get('class_scores')
            write_cams(
                self.folder / f'{sample["sample_id"]}.npz',
                sample['cams'].cpu().numpy(),
                class_ids,
                [foreground[class_id] for class_id in class_ids],
                self.config_hash,
                None if scores is None else scores.cpu().numpy(),
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Has nothing to compute."""
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Has nothing to compute."""
        return {}
