"""Mean IoU over the images that have a mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from ..utils.masks import write_mask


@METRICS.register_module()
class OptionalIoUMetric(IoUMetric):
    """mmseg's mean IoU for data sets in which some or all images lack a mask.

    Without any mask the scores are absent, not zero.

    Args:
        output_dir: Folder for the predictions of all images as palette PNGs, named by the
            ``sample_id`` of the image if it is packed, so that sub-folders are kept.
        prediction: Field of a sample that is scored and written; samples without it count no pixel.
        **kwargs: Arguments of :class:`mmseg.evaluation.IoUMetric`.
    """

    def __init__(
        self, output_dir: str | None = None, prediction: str = 'pred_sem_seg', **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.prediction_dir = output_dir
        self.prediction = prediction

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Counts pixels where there is a mask; an image without one counts no pixel.

        Args:
            data_batch: Not used.
            data_samples: Predictions with ``prediction`` and perhaps ``gt_sem_seg``.
        """
        no_pixels = torch.zeros(len(self.dataset_meta['classes']))
        for sample in data_samples:
            predicted = self.prediction in sample
            if predicted and self.prediction_dir is not None:
                self._write_prediction(sample, Path(self.prediction_dir))
            if predicted and 'gt_sem_seg' in sample:
                pair = dict(pred_sem_seg=sample[self.prediction], gt_sem_seg=sample['gt_sem_seg'])
                super().process(data_batch, [pair])
            elif not self.format_only:  # one entry an image, as collecting over processes expects
                self.results.append((no_pixels,) * 4)

    def _write_prediction(self, sample: dict, folder: Path) -> None:
        name = sample.get('sample_id') or Path(sample['img_path']).stem
        mask = sample[self.prediction]['data'].squeeze(0).cpu().numpy().astype(np.uint8)
        write_mask(folder / f'{name}.png', mask, self.dataset_meta['palette'])

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Scores of mmseg, or none if no image has a mask."""
        if self.format_only or not any(label.any() for *_, label in results):
            return {}
        return super().compute_metrics(results)
