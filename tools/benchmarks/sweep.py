"""Times the threshold sweep beside label-map evaluations at one threshold.

python tools/benchmarks/sweep.py --images 1000
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from weaktr_mmseg.pseudo_labels.thresholds import ThresholdSweep
from weaktr_mmseg.utils.masks import IGNORE_INDEX

SIZE = (375, 500)
NUM_CLASSES = 21
STEPS = 100
DISTINCT = 10  # images in memory at once; they are repeated


class SweepTimes(NamedTuple):
    """Seconds of processor time over all images.

    Attributes:
        sweep: mIoU at all thresholds in one pass.
        plain: mIoU at one threshold, from label maps.
    """

    sweep: float
    plain: float


def sweep_100(images: int = 1000) -> SweepTimes:
    """Times both over images of 375 x 500 with one to three classes, and compares their result.

    The two take turns on blocks of images, so that other load on the machine hits both.

    Args:
        images: Number of images.

    Raises:
        AssertionError: If the mIoU of the two differs.
    """
    rng = np.random.default_rng(0)
    samples = [_draw(rng) for _ in range(DISTINCT)]
    sweep = ThresholdSweep(NUM_CLASSES, np.arange(STEPS) / STEPS)
    threshold = float(sweep.thresholds[43])
    confusion = np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64)
    times = np.zeros(2)
    for start in range(0, images, DISTINCT):
        block = samples[: images - start]
        moments = [time.process_time()]
        for sample in block:
            sweep.update(*sample)
        moments.append(time.process_time())
        for sample in block:
            confusion += plain_confusion(*sample, threshold)
        moments.append(time.process_time())
        times += np.diff(moments)
    begin = time.process_time()
    result = sweep.compute()
    times[0] += time.process_time() - begin
    hit = np.diag(confusion)
    iou = 100 * hit / (confusion.sum(0) + confusion.sum(1) - hit)
    assert result.at(threshold) == np.mean(iou), (result.at(threshold), np.mean(iou))
    return SweepTimes(*times.tolist())


def plain_confusion(
    cams: np.ndarray, class_ids: np.ndarray, truth: np.ndarray, threshold: float
) -> np.ndarray:
    """Confusion matrix of ``argmax([threshold, cams...])``, int64 (truth, prediction)."""
    background = np.full((1, *cams.shape[1:]), threshold, cams.dtype)
    names = np.append(0, class_ids + 1)
    labels = names[np.concatenate((background, cams)).argmax(axis=0)]
    known = truth != IGNORE_INDEX
    cell = truth[known].astype(np.int64) * NUM_CLASSES + labels[known]
    return np.bincount(cell, minlength=NUM_CLASSES**2).reshape(NUM_CLASSES, NUM_CLASSES)


def _draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smooth maps, float32 (K, H, W), their ids and a mask of all classes, uint8 (H, W)."""
    count = int(rng.integers(1, 4))
    coarse = torch.from_numpy(rng.random((1, count, 12, 16), np.float32))
    cams = F.interpolate(coarse, SIZE, mode='bilinear')[0].numpy()
    low, high = cams.min((1, 2), keepdims=True), cams.max((1, 2), keepdims=True)
    truth = rng.integers(0, NUM_CLASSES, (12, 16)).astype(np.uint8)
    truth = truth.repeat(32, axis=0).repeat(32, axis=1)[: SIZE[0], : SIZE[1]].copy()
    truth[:4] = IGNORE_INDEX
    ids = np.sort(rng.choice(NUM_CLASSES - 1, count, replace=False))
    return (cams - low) / (high - low + 1e-8), ids, truth


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--images', type=int, default=1000)
    images = parser.parse_args().images
    torch.set_num_threads(1)
    times = sweep_100(images)
    print(
        f'{STEPS} thresholds over {images} images: {times.sweep:.2f} s; one threshold from label '
        f'maps: {times.plain:.2f} s; ratio {times.sweep / times.plain:.2f}'
    )


if __name__ == '__main__':
    main()
