"""Gradient clipping loss of WeakTr's online retraining."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmseg.registry import MODELS
from torch import Tensor, nn


class GradientClipping(NamedTuple):
    """Result of :func:`gradient_clipping_loss`.

    Attributes:
        loss: Mean of ``pixel_loss``, a scalar with gradient.
        pixel_loss: Clipped loss of every pixel, (B, H, W), with gradient.
        clipped_share: Detached scalar in [0, 1], the share of all pixels, ignored ones
            included, that were clipped and hence give no gradient.
    """

    loss: Tensor
    pixel_loss: Tensor
    clipped_share: Tensor


def gradient_clipping_loss(
    pixel_loss: Tensor,
    patch_size: int = 120,
    start: float = 1.2,
    average: Callable[[Tensor], Tensor] | None = None,
    images_per_group: int | None = None,
) -> GradientClipping:
    """Clips the per-pixel loss from above, so that doubtful pixels stop giving gradients.

    Let ``m`` be the mean of ``pixel_loss``. While ``m > start`` the model has not learnt enough to
    judge its labels, and nothing is clipped. Later the loss is averaged over the batch and over
    non-overlapping squares; the threshold of a square is the larger of its average and ``m``. A
    pixel above the threshold of its square contributes that threshold, a constant.

    Squares cut off by the right or the bottom border average the pixels that they have. The
    decision is made on the device: nothing here waits for an accelerator.

    Source: Zhu et al., "WeakTr", arXiv 2304.01184, section on the gradient clipping decoder.

    Args:
        pixel_loss: Non-negative loss of every pixel, (B, H, W), floating point; 0 where ignored.
        patch_size: Side of a square in pixels.
        start: Mean loss at or below which clipping sets in.
        average: Averages a vector over the parts of a batch that is divided over processes; not
            called for groups.
        images_per_group: Consecutive images that share their mean and squares; None for the whole
            batch.

    Returns:
        The mean clipped loss, the clipped loss of every pixel and the share of clipped pixels.

    Raises:
        ValueError: If ``pixel_loss`` is not of shape (B, H, W), or ``patch_size`` is below 1.

    Examples:
        >>> pixel_loss = torch.tensor([[[0.1, 0.1, 0.1, 0.9]]], requires_grad=True)
        >>> clipped = gradient_clipping_loss(pixel_loss, patch_size=4)
        >>> clipped.clipped_share.item()  # the last pixel is above the mean
        0.25
        >>> clipped.loss.backward()
        >>> pixel_loss.grad.tolist()
        [[[0.25, 0.25, 0.25, 0.0]]]
    """
    if pixel_loss.dim() != 3:
        raise ValueError(f'pixel_loss must be (B, H, W), but got shape {tuple(pixel_loss.shape)}')
    if patch_size < 1:
        raise ValueError(f'patch_size must be at least 1 pixel, but got {patch_size}')
    if images_per_group is not None:
        return _clip_groups(pixel_loss, patch_size, start, images_per_group)

    values = pixel_loss.detach()
    height, width = values.shape[1:]
    mean = values.mean()
    squares = F.avg_pool2d(
        values.mean(dim=0, keepdim=True), patch_size, ceil_mode=True, count_include_pad=False
    )  # (1, ceil(H / patch_size), ceil(W / patch_size))
    if average is not None:
        averaged = average(torch.cat((mean[None], squares.flatten())))
        mean, squares = averaged[0], averaged[1:].view_as(squares)
    threshold = torch.maximum(squares, mean)
    threshold = threshold.masked_fill(mean > start, float('inf'))
    threshold = threshold.repeat_interleave(patch_size, dim=1)[:, :height]
    threshold = threshold.repeat_interleave(patch_size, dim=2)[..., :width]  # (1, H, W)

    clipped = values > threshold
    # `where` rather than `minimum`, which halves the gradient of a pixel at its threshold.
    pixel_loss = torch.where(clipped, threshold, pixel_loss)
    return GradientClipping(pixel_loss.mean(), pixel_loss, clipped.float().mean())


def _clip_groups(
    pixel_loss: Tensor, patch_size: int, start: float, images_per_group: int
) -> GradientClipping:
    groups = [
        gradient_clipping_loss(group, patch_size, start)
        for group in pixel_loss.split(images_per_group)
    ]
    clipped = torch.cat([group.pixel_loss for group in groups])
    pixels = sum(group.clipped_share * group.pixel_loss.numel() for group in groups)
    return GradientClipping(clipped.mean(), clipped, pixels / clipped.numel())


def _average_over_processes(values: Tensor) -> Tensor:
    all_reduce(values, 'mean')
    return values


@MODELS.register_module()
class WeakTrGradientClippingLoss(nn.Module):
    """Cross entropy whose per-pixel values are clipped by :func:`gradient_clipping_loss`.

    Ignored pixels have the loss 0 and count in every mean, also in that of the result. Several
    processes share their means, so that thresholds are those of the whole batch; their images must
    have one size, as crops do. With ``images_per_group=1`` the thresholds are those of each image
    alone, on any number of processes: the published COCO runs had one image on each of four.

    Args:
        patch_size: Side in pixels of the squares that have a threshold each.
        start: Mean cross entropy at or below which clipping sets in.
        loss_weight: Factor of the result; the thresholds do not depend on it.
        loss_name: Key of the loss in the head's dictionary; only keys that contain ``loss`` are
            differentiated.
        images_per_group: Images that share their mean and squares, None for the whole batch. Groups
            of several images do not cross processes, so that their members depend on the number of
            processes.

    Raises:
        ValueError: If ``images_per_group`` is below 1.

    Attributes:
        clipped_share: Share of the pixels clipped by the latest call, a detached scalar in
            [0, 1]; None before the first call.

    Examples:
        >>> loss = WeakTrGradientClippingLoss(patch_size=2)
        >>> logits = torch.zeros(1, 21, 4, 4)
        >>> labels = torch.full((1, 4, 4), 255)  # nothing is labelled yet
        >>> loss(logits, labels).item()
        0.0
    """

    clipped_share: Tensor | None

    def __init__(
        self,
        patch_size: int = 120,
        start: float = 1.2,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
        images_per_group: int | None = None,
    ) -> None:
        super().__init__()
        if images_per_group is not None and images_per_group < 1:
            raise ValueError(f'images_per_group: expected at least 1, got {images_per_group}')
        self.patch_size = patch_size
        self.start = start
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.images_per_group = images_per_group
        self.clipped_share = None

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Computes the clipped cross entropy.

        Args:
            cls_score: Logits, (B, K, H, W).
            label: Class ids, (B, H, W), int64.
            weight: Pixel weights of a sampler; not supported, must be None.
            ignore_index: Label of the pixels without a class.

        Returns:
            A scalar.

        Raises:
            ValueError: ``weight`` is given.
        """
        if weight is not None:
            raise ValueError(
                'WeakTrGradientClippingLoss chooses its pixels itself and takes no pixel weights: '
                'remove `sampler` from the decode head'
            )
        pixel_loss = F.cross_entropy(cls_score, label, ignore_index=ignore_index, reduction='none')
        average = _average_over_processes if get_world_size() > 1 else None
        result = gradient_clipping_loss(
            pixel_loss, self.patch_size, self.start, average, self.images_per_group
        )
        self.clipped_share = result.clipped_share
        return self.loss_weight * result.loss
