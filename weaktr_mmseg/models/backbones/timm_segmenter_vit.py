"""timm's transformers as encoders of the retraining stage."""

from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from .timm_encoder import TimmEncoder


@MODELS.register_module()
class WeakTrTimmSegmenterViT(TimmEncoder):
    """A ViT or EVA of timm whose patch tokens a segmentor's head reads.

    Takes the arguments of :class:`TimmEncoder`.
    """

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Encodes normalised images.

        Args:
            images: Float (B, 3, H, W); padded to multiples of the patch at the right and bottom.

        Returns:
            The patch tokens of the last block as a map, (B, E, h, w).
        """
        return (self.patch_map(self.vit.forward_features(images), images),)
