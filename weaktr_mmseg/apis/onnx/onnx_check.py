"""Compares an ONNX file in onnxruntime with the segmentor in PyTorch."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

DEFAULT_TOLERANCE = 1e-3  # of logits, which are layer-normalised: of the order of 1


class Comparison(NamedTuple):
    """Differences at one input size.

    Attributes:
        shape: Batch, height and width of the images.
        max_difference: Largest absolute difference of a logit.
        agreement: Share of the pixels that get the same class, in [0, 1].
    """

    shape: tuple[int, int, int]
    max_difference: float
    agreement: float


def compare_with_onnxruntime(
    segmentor: EncoderDecoder,
    path: str | os.PathLike,
    shapes: Sequence[tuple[int, int, int]],
) -> list[Comparison]:
    """Runs random images of several sizes through both.

    Args:
        segmentor: The segmentor that was exported.
        path: The ONNX file.
        shapes: Batch, height and width of the images.

    Returns:
        One comparison for each shape.
    """
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    generator = torch.Generator().manual_seed(0)
    comparisons = []
    for shape in shapes:
        images = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator)
        expected = predict_whole(segmentor, images).numpy()  # (B, K, H, W)
        (logits,) = session.run(None, {'image': images.numpy()})
        if logits.shape != expected.shape:
            comparisons.append(Comparison(shape, float('inf'), 0.0))
            continue
        same = logits.argmax(1) == expected.argmax(1)
        difference = np.abs(logits - expected).max()
        comparisons.append(Comparison(shape, float(difference), float(same.mean())))
    return comparisons


def predict_whole(segmentor: EncoderDecoder, images: Tensor) -> Tensor:
    """Predicts as mmseg does, each image as a whole, without the refinement of ``test_cfg``.

    Args:
        segmentor: The segmentor; its test mode is not changed.
        images: RGB, uint8 (B, H, W, 3).

    Returns:
        Logits, float32 (B, K, H, W).
    """
    model = copy.copy(segmentor)
    model.test_cfg = copy.deepcopy(segmentor.test_cfg)
    model.test_cfg['mode'] = 'whole'
    model.refiner = None
    size = tuple(images.shape[1:3])
    samples = [SegDataSample(metainfo=dict(img_shape=size, ori_shape=size)) for _ in images]
    pixels = list(images.flip(3).permute(0, 3, 1, 2))  # mmseg reads BGR
    with torch.no_grad():
        predictions = model.test_step(dict(inputs=pixels, data_samples=samples))
    return torch.stack([prediction.seg_logits.data for prediction in predictions])
