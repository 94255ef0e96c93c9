"""Scores of class activation maps: mIoU over the background threshold and image-level mAP."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from ..pseudo_labels.threshold_choice import (
    OTSU,
    SCORE_BINS,
    check_threshold,
    choose_threshold,
    score_histogram,
)
from ..pseudo_labels.thresholds import ThresholdSweep
from ..utils.errors import input_errors
from .average_precision import mean_average_precision
from .score_files import sweep_scores, write_scores

MAP_KEYS = {'fused': 'cams', 'coarse': 'coarse_cams'}


@METRICS.register_module()
class WeakTrCAMMetric(BaseMetric):
    """Scores class activation maps and image-level predictions.

    Reports, in percent: ``image_map`` (mean average precision of the class scores, from image-level
    labels alone) and, for samples with a mask, ``{fused,coarse}_miou`` at the threshold of the
    run, ``{fused,coarse}_miou_oracle`` at the best threshold of a sweep in steps of 0.01, and
    that ``{fused,coarse}_threshold_oracle``. ``threshold`` is the threshold of the run; no mask
    has a part in it. Scores that need masks are absent when no sample has one.

    The sweep is kept as one histogram that is summed over processes, so the dataloader must not
    repeat samples: ``sampler=dict(type='DefaultSampler', shuffle=False, round_up=False)``.

    Args:
        threshold: Background score of the run, a number in [0, 1], or a method of
            :func:`choose_threshold`, such as ``'otsu'``, to choose it from the scores of all maps.
            Where these are all equal, there is no such threshold and no score that needs it.
        **kwargs: Arguments of mmengine's ``BaseMetric``.

    Raises:
        WeakTrInputError: If ``threshold`` is neither.
    """

    default_prefix = 'cam'

    def __init__(
        self,
        threshold: float | str = OTSU,
        score_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        with input_errors():
            check_threshold(threshold)
        self.threshold = threshold
        self.score_file = score_file
        self._reset()

    def _reset(self) -> None:
        self.sweeps: dict[str, ThresholdSweep] = {}
        self.score_histogram = np.zeros(SCORE_BINS, np.int64)

    def _new_sweep(self) -> ThresholdSweep:
        return new_sweep(len(self.dataset_meta['classes']), self.threshold)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Adds a batch of predictions (``cams``, ``cam_classes``, ``class_scores``).

        ``coarse_counts``, see :func:`read_counts`, may replace ``coarse_cams``.
        """
        for sample in data_samples:
            scores, labels = sample['class_scores'], sample.get('image_labels')
            self.results.append((_array(scores), None if labels is None else _array(labels)))
            self.score_histogram += score_histogram(_array(sample['cams']), SCORE_BINS)
            if 'gt_sem_seg' in sample:
                self._add_truth(sample, _array(sample['gt_sem_seg']['data'])[0])

    def _add_truth(self, sample: dict, truth: np.ndarray) -> None:
        for name, key in MAP_KEYS.items():
            if key in sample:
                sweep = self.sweeps.setdefault(name, self._new_sweep())
                sweep.update(_array(sample[key]), _array(sample['cam_classes']), truth)
        if 'coarse_counts' in sample:
            cells, counts = _array(sample['coarse_counts'])
            sweep = self.sweeps.setdefault('coarse', self._new_sweep())
            sweep.counts.flat[cells] += counts

    def evaluate(self, size: int) -> dict[str, float]:
        """Sums the histograms over processes and computes the scores.

        Args:
            size: Number of images of the data set.

        Raises:
            RuntimeError: If the processes together saw another number of images.
        """
        self._sum_over_processes(size)
        metrics = super().evaluate(size)
        self._reset()
        return metrics

    def _sum_over_processes(self, size: int) -> None:
        seen = torch.tensor(len(self.results))
        all_reduce(seen)
        if seen.item() != size:
            raise RuntimeError(
                f'expected {size} images, the processes saw {seen.item()}: set '
                "sampler=dict(type='DefaultSampler', shuffle=False, round_up=False)"
            )
        has_maps = torch.tensor([int(name in self.sweeps) for name in MAP_KEYS])
        all_reduce(has_maps)
        for name, found in zip(MAP_KEYS, has_maps.tolist()):
            if found:
                sweep = self.sweeps.setdefault(name, self._new_sweep())
                sweep.counts = sum_over_processes(sweep.counts)
        self.score_histogram = sum_over_processes(self.score_histogram)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Scores from the summed histograms and the collected class scores."""
        metrics: dict[str, float] = {}
        labelled = [(scores, labels) for scores, labels in results if labels is not None]
        if labelled:
            scores, labels = (np.stack(arrays) for arrays in zip(*labelled))
            metrics['image_map'] = 100 * mean_average_precision(scores, labels)
        with suppress(ValueError):  # maps that are all equal
            metrics['threshold'] = choose_threshold(self.threshold, self.score_histogram).value
        for name, sweep in self.sweeps.items():
            result = sweep.compute()
            if 'threshold' in metrics:
                metrics[f'{name}_miou'] = result.at(metrics['threshold'])
            metrics[f'{name}_miou_oracle'] = float(result.miou[result.best])
            metrics[f'{name}_threshold_oracle'] = float(result.thresholds[result.best])
        if self.score_file is not None:
            self._write_scores(self.score_file, metrics, len(results))
        return metrics

    def _write_scores(self, path: str, metrics: dict[str, float], images: int) -> None:
        threshold = metrics.get('threshold')
        write_scores(
            path,
            dict(
                classes=list(self.dataset_meta['classes']),
                images=images,
                metrics=metrics,
                score_histogram=self.score_histogram,
                maps={name: sweep_scores(sweep, threshold) for name, sweep in self.sweeps.items()},
            ),
        )


def new_sweep(num_classes: int, threshold: float | str) -> ThresholdSweep:
    """An empty sweep over steps of 0.01 and the threshold of the run, if that is a number."""
    thresholds = set(np.arange(SCORE_BINS) / SCORE_BINS)
    if not isinstance(threshold, str):
        thresholds.add(float(threshold))
    return ThresholdSweep(num_classes, sorted(thresholds))


def _array(value: Tensor | np.ndarray) -> np.ndarray:
    return value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def sum_over_processes(counts: np.ndarray) -> np.ndarray:
    """Sums integer counts of any shape over all processes."""
    total = torch.from_numpy(counts.copy())
    all_reduce(total)
    return total.numpy()
