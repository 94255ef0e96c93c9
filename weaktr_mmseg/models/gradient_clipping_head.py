"""Mask transformer decoder that is trained with the gradient clipping loss."""

from __future__ import annotations

from typing import Any

from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from .gradient_clipping_loss import WeakTrGradientClippingLoss


def _without_attention_weights(
    module: nn.Module, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict[str, Any]]:
    """Forward pre-hook: ``nn.MultiheadAttention`` then uses scaled-dot-product attention."""
    return args, {**kwargs, 'need_weights': False}


@MODELS.register_module()
class WeakTrGradientClippingHead(SegmenterMaskTransformerHead):
    """Segmenter's mask transformer with WeakTr's gradient clipping.

    The network and its parameter names are those of the parent. Two things differ: the loss
    dictionary also holds ``clipped_share``, the share of pixels in [0, 1] that the
    :class:`WeakTrGradientClippingLoss` among the losses clipped (logged, not differentiated); and
    the layers never form the attention matrix that the parent computes and throws away.

    Args:
        **kwargs: see :class:`mmseg.models.SegmenterMaskTransformerHead`; ``loss_decode`` is
            gradient clipping at the published setting unless given.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault('loss_decode', dict(type='WeakTrGradientClippingLoss'))
        super().__init__(**kwargs)
        for layer in self.layers:
            layer.attn.attn.register_forward_pre_hook(_without_attention_weights, with_kwargs=True)

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Compute the losses of the parent and the share of clipped pixels.

        Args:
            seg_logits: logits at the resolution of the patches, (B, K, h, w).
            batch_data_samples: samples with ``gt_sem_seg.data`` of shape (1, H, W).

        Returns:
            The losses by name, ``acc_seg``, and ``clipped_share`` if a clipping loss is used.
        """
        losses = super().loss_by_feat(seg_logits, batch_data_samples)
        for module in self.loss_decode.modules():
            if isinstance(module, WeakTrGradientClippingLoss):
                losses['clipped_share'] = module.clipped_share
        return losses
