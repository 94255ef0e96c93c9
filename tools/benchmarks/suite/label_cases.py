"""Pseudo-label stage on photographs of 375 x 500: threshold sweep and dense CRF."""

from __future__ import annotations

import importlib.util
from functools import partial

import numpy as np
import torch
from crf import coarse_labels, load_photographs, with_pydensecrf
from sweep import NUM_CLASSES, STEPS, _draw, plain_confusion

from weaktr_mmseg.crf import DenseCRF
from weaktr_mmseg.crf.unary import unary_from_labels
from weaktr_mmseg.pseudo_labels.thresholds import ThresholdSweep

from .case import Case, Run

SIZE = (375, 500)
SWEPT = 100  # images of a sweep
PHOTOGRAPHS = 7


def _swept_images() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    samples = [_draw(rng) for _ in range(10)]
    return samples * (SWEPT // len(samples))


def sweep(device: torch.device) -> Run:
    """mIoU at all thresholds."""
    samples = _swept_images()
    thresholds = np.arange(STEPS) / STEPS

    def run() -> None:
        state = ThresholdSweep(NUM_CLASSES, thresholds)
        for sample in samples:
            state.update(*sample)
        state.compute()

    return run


def single_threshold(device: torch.device) -> Run:
    """mIoU at one threshold from label maps: a hundredth of an evaluation per threshold."""
    samples = _swept_images()
    return lambda: sum(plain_confusion(*sample, 0.43) for sample in samples)


def crf(labels: int, device: torch.device) -> Run:
    """The dense CRF on all photographs, on one thread as pydensecrf."""
    torch.set_num_threads(1)
    model = DenseCRF.from_preset('voc_cam')
    unary = torch.from_numpy(unary_from_labels(coarse_labels(labels, SIZE), labels)).to(device)
    images = [torch.from_numpy(image).to(device) for image in load_photographs(SIZE)]
    return lambda: [model(image, unary) for image in images]


def pydensecrf(labels: int, device: torch.device) -> Run:
    """The same with pydensecrf, on one thread."""
    unary = unary_from_labels(coarse_labels(labels, SIZE), labels)
    images = load_photographs(SIZE)
    return lambda: [with_pydensecrf(image, unary, 'voc_cam') for image in images]


HAS_PYDENSECRF = importlib.util.find_spec('pydensecrf') is not None
CASES = [
    Case('sweep_100', sweep, single_threshold),
    *(
        Case(
            f'crf_{labels}',
            partial(crf, labels),
            partial(pydensecrf, labels) if HAS_PYDENSECRF else None,
            units=PHOTOGRAPHS,
        )
        for labels in (3, 21)
    ),
]
