"""A linear decode head, for encoders that stay as they are."""

from __future__ import annotations

from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..checkpoint_guard import guard_class_ids


@MODELS.register_module()
class WeakTrLinearHead(BaseDecodeHead):
    """Standardises each channel over the training set and scores each patch by itself.

    This is the linear probe by which self-supervised encoders are compared (DINOv2,
    arXiv 2304.07193, section 7.4): batch normalisation without parameters, then a 1 x 1
    convolution.

    Args:
        in_channels: Width of the tokens.
        num_classes: Number of classes with background.
        dropout_ratio: Share of the channels that are dropped in training.
        **kwargs: Arguments of mmseg's ``BaseDecodeHead``.
    """

    def __init__(
        self, in_channels: int, num_classes: int, dropout_ratio: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            channels=in_channels,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            **kwargs,
        )
        self.norm = nn.BatchNorm2d(in_channels, affine=False)
        guard_class_ids(self, 'conv_seg.weight', dim=0)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Computes logits.

        Args:
            inputs: Feature maps of the encoder, of which the last one (B, E, h, w) is used.

        Returns:
            (B, K, h, w).
        """
        return self.cls_seg(self.norm(self._transform_inputs(inputs)))
