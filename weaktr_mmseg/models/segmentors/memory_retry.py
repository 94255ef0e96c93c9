"""Inference that tries again with less when the device has no memory left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmseg.structures import SegDataSample
from torch import Tensor

from ...utils.errors import WeakTrInputError

MIN_SIDE = 16  # pixels: a patch
_CPU_MESSAGES = ("can't allocate memory", 'not enough memory')

#: Predicts samples of equal sizes, given their scales (B, 3, h, w), and whether mirror images run
#: in a batch of their own.
Predict = Callable[[list[Tensor], list[SegDataSample], bool], None]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be allocated, on any device."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_MESSAGES)


def predict_within_memory(
    predict: Predict,
    views: Sequence[list[Tensor]],
    samples: Sequence[SegDataSample],
    smaller: Sequence[float] = (),
) -> None:
    """Predicts a batch; without enough memory halves of it, then single images.

    A single image is tried once more with its mirror image apart, and then at the scales of
    ``smaller``, each a factor of the sides. Only those change the result; a warning names the
    image.

    Args:
        predict: Adds predictions to samples.
        views: For each sample its scales, float (1, 3, h, w).
        samples: As many, all of equal sizes.
        smaller: Decreasing factors below 1.

    Raises:
        WeakTrInputError: If a single image does not fit; names it.
    """
    # Indices of the samples, and how often a single one has failed.
    pending: list[tuple[list[int], int]] = [(list(range(len(views))), 0)]
    while pending:
        indices, failures = pending.pop()
        factor = smaller[failures - 2] if failures > 1 else 1.0
        chosen = [samples[i] for i in indices]
        try:
            scales = [torch.cat(images) for images in zip(*(views[i] for i in indices))]
            predict([_shrink(images, factor) for images in scales], chosen, failures > 0)
            continue
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Only here, without the error and its frames, are the tensors of the attempt free.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(indices) > 1:
            middle = len(indices) // 2
            pending += [(indices[middle:], 0), (indices[:middle], 0)]
        elif failures <= len(smaller):
            pending.append((indices, failures + 1))
        else:
            raise WeakTrInputError(_message(chosen[0], views[indices[0]], smaller))
        _announce(chosen, failures + 1, smaller)


def _shrink(images: Tensor, factor: float) -> Tensor:
    if factor == 1:
        return images
    size = [max(MIN_SIDE, round(side * factor)) for side in images.shape[-2:]]
    return F.interpolate(images, size=size, mode='bicubic', align_corners=False, antialias=True)


def _announce(samples: list[SegDataSample], failures: int, smaller: Sequence[float]) -> None:
    if len(samples) > 1:
        how = f'the batch of {len(samples)} images is halved'
    elif failures == 1:
        how = f'{_name(samples[0])} and its mirror image run one after the other'
    else:
        how = f'{_name(samples[0])} is shrunk by {smaller[failures - 2]}'
    print_log(f'Out of memory: {how}', 'current', logging.WARNING)


def _message(sample: SegDataSample, views: list[Tensor], smaller: Sequence[float]) -> str:
    sizes = ', '.join('{} x {}'.format(*view.shape[-2:]) for view in views)
    tried = f'even shrunk by {smaller[-1]}' if smaller else (
        'allow smaller scales with model.test_cfg.memory_scales=[0.75,0.5]'
    )  # fmt: skip
    return f'{_name(sample)}: out of memory at the sizes {sizes}; {tried}'


def _name(sample: SegDataSample) -> str:
    return str(sample.metainfo.get('img_path', 'an image'))
