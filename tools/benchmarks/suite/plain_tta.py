"""The published evaluation written down plainly, of mmseg's modules, to compare with.

As in the original, both readouts come from one run of the network, and four windows run as a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmseg.models import EncoderDecoder
from torch import Tensor

WINDOW_BATCH = 4  # the original's default


def read_out_twice(model: EncoderDecoder, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits after the last decoder layer but one and after the last, (B, K, H, W) each."""
    head = model.decode_head
    (features,) = model.backbone(images)  # (B, E, h, w)
    tokens = head.dec_proj(features.flatten(2).transpose(1, 2))
    tokens = torch.cat((tokens, head.cls_emb.expand(len(tokens), -1, -1)), 1)
    logits = []
    for layer in head.layers:
        tokens = layer(tokens)
        normed = head.decoder_norm(tokens)
        patches = F.normalize(head.patch_proj(normed[:, : -head.num_classes]), dim=2)
        classes = F.normalize(head.classes_proj(normed[:, -head.num_classes :]), dim=2)
        masks = head.mask_norm(patches @ classes.transpose(1, 2)).transpose(1, 2)
        masks = masks.reshape(len(images), -1, *features.shape[2:])
        logits.append(F.interpolate(masks, images.shape[2:], mode='bilinear'))
    first, last = logits[-2:]
    return first, last


def starts(side: int, window: int, stride: int) -> list[int]:
    """Where windows begin along a side."""
    return [start for start in range(0, side, stride) if start < side - window] + [side - window]


def slide(model: EncoderDecoder, image: Tensor, window: int, stride: int) -> tuple[Tensor, Tensor]:
    """Averaged logits of both readouts, (K, H, W) each, of an image (3, H, W)."""
    height, width = image.shape[1:]
    boxes = [
        (slice(top, top + window), slice(left, left + window))
        for top in starts(height, window, stride)
        for left in starts(width, window, stride)
    ]
    sums = [image.new_zeros(model.num_classes, height, width) for _ in range(2)]
    count = image.new_zeros(height, width)
    for index in range(0, len(boxes), WINDOW_BATCH):
        chunk = boxes[index : index + WINDOW_BATCH]
        readouts = read_out_twice(model, torch.stack([image[(..., *box)] for box in chunk]))
        for total, logits in zip(sums, readouts):
            for box, part in zip(chunk, logits):
                total[(..., *box)] += part
        for box in chunk:
            count[box] += 1
    first, last = (total / count for total in sums)
    return first, last


@torch.no_grad()
def plain_scores(
    model: EncoderDecoder,
    photo: np.ndarray,
    ratios: Sequence[float],
    short_side: int = 520,
    window: int = 480,
    stride: int = 320,
    weight: float = 0.8,
) -> Tensor:
    """Combined scores of a photograph.

    Args:
        model: A segmentor.
        photo: BGR, uint8 (H, W, 3).
        ratios: Scales, relative to ``short_side``.
        short_side: Of the image at ratio 1.
        window: Side of a window.
        stride: Step of the windows.
        weight: Of the first readout.

    Returns:
        Weighted sum of the mean probabilities, (K, H, W).
    """
    size, mean, std = photo.shape[:2], model.data_preprocessor.mean, model.data_preprocessor.std
    total = 0
    for ratio in ratios:
        factor = min(int(8 * short_side * ratio) / max(size), int(short_side * ratio) / min(size))
        height, width = (int(side * factor + 0.5) for side in size)
        resized = cv2.resize(photo, (width, height), interpolation=cv2.INTER_LINEAR)
        image = torch.from_numpy(resized[..., ::-1].copy()).permute(2, 0, 1).to(mean.device)
        for flip in (False, True):
            view = (image.flip(2) if flip else image).float().sub(mean).div(std)
            short, long = sorted(view.shape[1:])
            if short < window:
                new = int(long / short * window)
                sides = [window if side == short else new for side in view.shape[1:]]
                view = F.interpolate(view[None], sides, mode='bilinear')[0]
            for logits, factor_of in zip(slide(model, view, window, stride), (weight, 1.0)):
                logits = F.interpolate(logits[None], size, mode='bilinear')[0]
                logits = logits.flip(2) if flip else logits
                total = total + factor_of * logits.softmax(0)
    return total / (2 * len(ratios))
