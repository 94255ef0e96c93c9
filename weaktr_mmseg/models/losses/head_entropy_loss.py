"""A loss that keeps several attention heads in the fusion."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from ..features import WeakTrFeatures
from .fusion_loss import FusionLoss


@MODELS.register_module()
class WeakTrHeadEntropyLoss(FusionLoss):
    """Negative entropy of the weights of the heads, each image's scaled to the sum 1.

    A loss that compares heads, such as :class:`WeakTrSeedCompletionLoss`, ends with the few that
    are best on the average image. What these miss is missing from the map; this term, at a few
    hundredths, keeps heads that are nearly as good.

    Args:
        loss_weight: Factor of the loss.
        loss_name: Its name in the log.
        begin: Share of the training before which the loss is left out.
        end: Share of the training from which on it is left out.

    Examples:
        >>> from weaktr_mmseg.models import WeakTrViT
        >>> arch = dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32)
        >>> fusion = dict(type='WeakTrStaticFusion')
        >>> features = WeakTrViT(3, arch=arch, img_size=64, fusion=fusion)(torch.rand(1, 3, 64, 64))
        >>> loss = WeakTrHeadEntropyLoss(loss_weight=1.0)(features, None, None)
        >>> round(loss.item(), 4)  # four equal weights: -log 4
        -1.3863
    """

    def __init__(
        self,
        loss_weight: float = 0.03,
        loss_name: str = 'loss_head_entropy',
        begin: float = 0.0,
        end: float = 1.0,
    ) -> None:
        super().__init__(loss_weight, loss_name, begin, end)

    def forward(self, features: WeakTrFeatures, scores: Tensor, targets: Tensor) -> Tensor:
        """Computes the loss.

        Args:
            features: Output of the backbone, of which the weights (B, H, L) are used.
            scores: Not used.
            targets: Not used.

        Returns:
            Mean over the images, a scalar between ``-log(H L)`` and 0, times ``loss_weight``.
        """
        weights = features.attention.weights.flatten(1).float()  # (B, H L)
        shares = weights / weights.sum(dim=1, keepdim=True)
        logs = (shares + torch.finfo(shares.dtype).tiny).log()  # a weight of 0 has a gradient too
        return self.loss_weight * (shares * logs).sum(dim=1).mean()
