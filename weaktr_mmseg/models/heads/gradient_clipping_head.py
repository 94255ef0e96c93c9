"""Mask transformer decoder that is trained with the gradient clipping loss."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from ..checkpoint_guard import guard_class_ids
from ..losses.gradient_clipping_loss import WeakTrGradientClippingLoss
from .lean_attention import LeanMultiheadAttention


def accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Percentage of the labelled pixels whose class has the highest logit, alone or with others.

    Args:
        logits: (B, K, H, W).
        labels: Class ids, (B, H, W).
        ignore_index: Label of the pixels that do not count.

    Returns:
        A scalar; 0 where no pixel is labelled.
    """
    known = labels != ignore_index
    own = logits.gather(1, labels.where(known, 0).unsqueeze(1)).squeeze(1)  # (B, H, W)
    # The maximum is several times as fast as its index on a CPU.
    correct = (own == logits.amax(dim=1)) & known
    return 100 * correct.sum() / known.sum().clamp(min=1)


@MODELS.register_module()
class WeakTrGradientClippingHead(SegmenterMaskTransformerHead):
    """Segmenter's mask transformer with WeakTr's gradient clipping.

    The network and its parameter names are those of the parent. Three things differ:

    * The loss dictionary also holds ``clipped_share``, the share of pixels in [0, 1] that the
      :class:`WeakTrGradientClippingLoss` among the losses clipped (logged, not differentiated).
    * An image whose sides are no multiples of the patch was padded at the right and the bottom by
      the encoder; its logits are upsampled by the patch size and the padding is cut off, where the
      parent squeezes the padded area into the image.
    * The layers do not return the attention matrix, which the parent throws away, and draw their
      dropout cheaply (:class:`LeanMultiheadAttention`).

    Args:
        patch_size: side of the encoder's patches in pixels; None if every image that comes in has
            sides that are multiples of it.
        **kwargs: see :class:`mmseg.models.SegmenterMaskTransformerHead`; ``loss_decode`` is
            gradient clipping at the published setting unless given.
    """

    def __init__(self, patch_size: int | None = None, **kwargs: Any) -> None:
        kwargs.setdefault('loss_decode', dict(type='WeakTrGradientClippingLoss'))
        super().__init__(**kwargs)
        self.patch_size = patch_size
        guard_class_ids(self, 'cls_emb', dim=1)
        for layer in self.layers:
            layer.attn.attn = LeanMultiheadAttention.sharing(layer.attn.attn)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Compute the losses and the share of clipped pixels.

        Unlike the parent it upsamples once and does not wait for an accelerator.

        Args:
            seg_logits: logits of the patches, (B, K, h, w).
            batch_data_samples: samples with ``gt_sem_seg.data`` of shape (1, H, W).

        Returns:
            The losses by name, ``acc_seg`` (percent of the labelled pixels), and ``clipped_share``
            if a clipping loss is used.
        """
        labels = self._stack_batch_gt(batch_data_samples)  # (B, 1, H, W)
        logits = self.upsample(seg_logits, labels.shape[2:])
        weight = None if self.sampler is None else self.sampler.sample(logits, labels)
        labels = labels.squeeze(1)
        criteria = self.loss_decode
        losses: dict[str, Tensor] = {}
        for criterion in criteria if isinstance(criteria, nn.ModuleList) else [criteria]:
            loss = criterion(logits, labels, weight=weight, ignore_index=self.ignore_index)
            losses[criterion.loss_name] = losses.get(criterion.loss_name, 0) + loss
        losses['acc_seg'] = accuracy(logits.detach(), labels, self.ignore_index)
        for module in self.loss_decode.modules():
            if isinstance(module, WeakTrGradientClippingLoss):
                losses['clipped_share'] = module.clipped_share
        return losses

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Bring the logits of the patches to the size of the network's input.

        Args:
            seg_logits: logits of the patches, (B, K, h, w).
            batch_img_metas: ``pad_shape`` or, in sliding windows, ``img_shape`` gives (H, W).

        Returns:
            Logits of the pixels, (B, K, H, W).
        """
        meta = batch_img_metas[0]
        is_window = isinstance(meta['img_shape'], torch.Size)
        size = meta['img_shape'] if is_window else meta.get('pad_shape', meta['img_shape'])
        return self.upsample(seg_logits, size[:2])

    def upsample(self, seg_logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Upsample the logits of the patches bilinearly and cut off the padding.

        Args:
            seg_logits: logits of the patches, (B, K, h, w).
            size: height and width of the image in pixels.

        Returns:
            Logits of the pixels, (B, K, *size).

        Raises:
            ValueError: ``size`` does not fit the number of patches.
        """
        if self.patch_size is None:
            return resize(seg_logits, size, mode='bilinear', align_corners=self.align_corners)
        patches = tuple(seg_logits.shape[-2:])
        expected = tuple(math.ceil(side / self.patch_size) for side in size)
        if patches != expected:
            raise ValueError(
                f'{patches} patches of {self.patch_size} px do not fit an image of '
                f'{tuple(size)} px: `patch_size` of the decode head must be that of the backbone'
            )
        padded = [side * self.patch_size for side in patches]
        logits = resize(seg_logits, padded, mode='bilinear', align_corners=self.align_corners)
        return logits[..., : size[0], : size[1]]
