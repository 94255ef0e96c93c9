"""Writes what a segmentor confuses, and its best and worst images, while a test loop runs."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from ..utils.confusion import confusion_matrix
from ..utils.masks import write_mask
from .score_files import confusion_scores, write_scores


class _Image(NamedTuple):
    """One image; the order of the fields ranks images by their mIoU."""

    miou: float
    img_path: str
    seg_map_path: str
    cells: np.ndarray  # occupied cells of the flattened confusion matrix, and their counts
    counts: np.ndarray


@METRICS.register_module()
class WeakTrScoreWriter(BaseMetric):
    """Writes per-class IoU, the confusion matrix and the best and worst images as JSON.

    It stands among the evaluators because they are what mmengine's test loop hands predictions to;
    it gives no score. Images without a mask are left out.

    The file holds ``classes``, ``palette``, ``images`` (number of images with a mask), ``iou``,
    ``miou``, ``confusion`` (see :func:`confusion_scores`), and ``best`` and ``worst``, lists of
    ``dict(img_path, seg_map_path, prediction, miou)``. ``prediction`` is a palette PNG, relative
    to the file.

    Args:
        file: Where to write. The predictions go to the folder ``examples`` beside it.
        examples: Number of best and of worst images.
        **kwargs: Arguments of mmengine's ``BaseMetric``.
    """

    def __init__(self, file: str, examples: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file = Path(file)
        self.examples = examples
        self._best: list[tuple[tuple[float, str], np.ndarray]] = []
        self._worst: list[tuple[tuple[float, str], np.ndarray]] = []

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Adds a batch of predictions (``pred_sem_seg``, perhaps ``gt_sem_seg``)."""
        for sample in data_samples:
            if 'gt_sem_seg' not in sample:
                self.results.append(None)  # one entry an image, as collecting expects
                continue
            prediction = _labels(sample['pred_sem_seg']['data'])
            truth = _labels(sample['gt_sem_seg']['data'])
            image = self._image(sample, truth, prediction)
            self.results.append(image)
            self._keep_extremes(image, prediction)

    def _image(self, sample: dict, truth: np.ndarray, prediction: np.ndarray) -> _Image:
        confusion = confusion_matrix(truth, prediction, len(self.dataset_meta['classes']))
        cells = np.flatnonzero(confusion)
        return _Image(
            confusion_scores(confusion)['miou'],
            sample['img_path'],
            sample.get('seg_map_path') or '',
            cells,
            confusion.ravel()[cells],
        )

    def _keep_extremes(self, image: _Image, prediction: np.ndarray) -> None:
        if np.isnan(image.miou):  # every pixel of the truth is unknown
            return
        seen = ((image.miou, image.img_path), prediction)
        rank = itemgetter(0)
        self._best = heapq.nlargest(self.examples, [*self._best, seen], rank)
        self._worst = heapq.nsmallest(self.examples, [*self._worst, seen], rank)

    def evaluate(self, size: int) -> dict[str, float]:
        """Writes this process's extremes, then, on the main process, the file."""
        # The extremes of all processes are among the extremes of each.
        for (_, img_path), prediction in (*self._best, *self._worst):
            path = self.file.parent / _prediction_name(img_path)
            write_mask(path, prediction, self.dataset_meta['palette'])
        self._best, self._worst = [], []
        super().evaluate(size)
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Writes the file; has no score to give."""
        # mmengine copies results as plain tuples
        images = [_Image(*image) for image in results if image is not None]
        if not images:
            return {}
        classes = self.dataset_meta['classes']
        confusion = np.zeros(len(classes) ** 2, np.int64)
        for image in images:
            confusion[image.cells] += image.counts
        ranked = sorted((i for i in images if not np.isnan(i.miou)), key=lambda image: image[:2])
        write_scores(
            self.file,
            dict(
                classes=list(classes),
                palette=self.dataset_meta['palette'],
                images=len(images),
                **confusion_scores(confusion.reshape(len(classes), len(classes))),
                best=[_example(image) for image in reversed(ranked[-self.examples :])],
                worst=[_example(image) for image in ranked[: self.examples]],
            ),
        )
        return {}


def _labels(data: Tensor) -> np.ndarray:
    return data.squeeze(0).cpu().numpy().astype(np.uint8)


def _prediction_name(img_path: str) -> str:
    """Path of the kept prediction, unique where two folders have an image of one name."""
    return f'examples/{Path(img_path).stem}_{zlib.crc32(img_path.encode()):08x}.png'


def _example(image: _Image) -> dict[str, Any]:
    return dict(
        img_path=image.img_path,
        seg_map_path=image.seg_map_path,
        prediction=_prediction_name(image.img_path),
        miou=image.miou,
    )
