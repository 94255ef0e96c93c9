"""Multi-label soft-margin loss, the classification loss of the CAM stage."""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class WeakTrMultiLabelSoftMarginLoss(nn.Module):
    """Binary cross entropy of every class, averaged over classes and images.

    The loss of all three branches of the CAM stage (WeakTr, arXiv 2304.01184, section 3.3).

    Args:
        loss_weight: Factor of the result.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Computes the loss.

        Args:
            logits: Image-level logits, float (B, C).
            targets: Multi-hot labels, float (B, C).

        Returns:
            A scalar.
        """
        return self.loss_weight * F.multilabel_soft_margin_loss(logits, targets)
