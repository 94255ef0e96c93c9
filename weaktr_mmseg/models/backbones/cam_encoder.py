"""What the encoders of the CAM stage have in common."""

from __future__ import annotations

from torch import Tensor

from ...utils.errors import WeakTrInputError, check_choice
from ..features import WeakTrEncoded, WeakTrFeatures
from ..fusions.fused_attention import MODES, fuse_attention
from ..fusions.head_fusion import HeadFusion


class CAMEncoder:
    """Mix-in that fuses the attention of whatever an encoder has encoded.

    Attributes:
        num_classes: Number of class tokens ``C``.
        num_registers: Number of register tokens ``R``.
        attention_mode: See :func:`fuse_attention`.
        attention_fusion: Weighs the heads.
    """

    num_classes: int
    num_registers: int
    attention_mode: str
    attention_fusion: HeadFusion

    def accept(self, num_classes: int, attention_mode: str) -> None:
        """Keeps the options of all encoders, before they are built.

        Raises:
            WeakTrInputError: If one is out of range.
        """
        if num_classes < 1:
            raise WeakTrInputError(f'num_classes: expected at least 1, got {num_classes}')
        check_choice('attention_mode', attention_mode, MODES)
        self.num_classes = num_classes
        self.attention_mode = attention_mode

    def forward(self, images: Tensor) -> WeakTrFeatures:
        """Encodes normalised images and fuses the attention.

        Args:
            images: Float (B, 3, H, W); sides are floored to multiples of the patch.

        Returns:
            The features of the last block and the fused attention.
        """
        return self.fuse(self.encode(images))

    def encode(self, images: Tensor) -> WeakTrEncoded:
        """Computes what the weights of the heads do not affect; arguments of :meth:`forward`."""
        raise NotImplementedError

    def fuse(self, encoded: WeakTrEncoded) -> WeakTrFeatures:
        """Weighs the heads of encoded images."""
        attention = fuse_attention(
            encoded.queries,
            encoded.keys,
            self.attention_fusion(encoded.pooled),
            self.num_classes,
            self.attention_mode,
            self.num_registers,
            self.attention_fusion.fused_layers,
        )
        return WeakTrFeatures(encoded.class_tokens, encoded.patch_map, attention)
