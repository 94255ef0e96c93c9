"""CAM head: from patch tokens and fused attention to class activation maps."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..backbones.weaktr_vit import WeakTrFeatures
from ..checkpoint_guard import guard_class_ids


class ImageLogits(NamedTuple):
    """Image-level logits of the three branches, each (B, C)."""

    cls: Tensor
    coarse: Tensor
    fine: Tensor


class ClassActivationMaps(NamedTuple):
    """Class activation maps of ``K`` classes on the patch grid, each (B, K, h, w).

    Attributes:
        coarse: Rectified output of the convolution.
        attended: ``coarse`` times the attention that the class token pays to each patch.
        fine: ``attended`` propagated along the fused attention between patches.
    """

    coarse: Tensor
    attended: Tensor
    fine: Tensor


@MODELS.register_module()
class WeakTrCAMHead(BaseModule):
    """Coarse and attention-refined class activation maps (WeakTr, arXiv 2304.01184, section 3.3).

    Args:
        in_channels: Width ``E`` of the tokens.
        num_classes: Number of foreground classes ``C``.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(self, in_channels: int, num_classes: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.classifier = nn.Conv2d(in_channels, num_classes, kernel_size=3, padding=1)
        guard_class_ids(self, 'classifier.weight', dim=0)

    def forward(self, features: WeakTrFeatures) -> ImageLogits:
        """Computes image-level logits.

        Args:
            features: Output of the backbone.

        Returns:
            Logits of the class tokens, of the coarse and of the fine maps. The fine ones carry
            gradient to the fusion weights alone.
        """
        scores = self.classifier(features.patch_map)  # (B, C, h, w)
        coarse = scores.detach().relu().flatten(2)  # (B, C, Np)
        attended = features.attention.class_to_patch() * coarse
        return ImageLogits(
            cls=self.class_token_logits(features),
            coarse=scores.mean(dim=(2, 3)),
            fine=features.attention.propagated_mean(attended),
        )

    def class_token_logits(self, features: WeakTrFeatures) -> Tensor:
        """Mean over the width of each class token, (B, C)."""
        return features.class_tokens.mean(dim=2)

    def loss(self, features: WeakTrFeatures, targets: Tensor) -> dict[str, Tensor]:
        """Multi-label soft-margin loss of each branch against the image-level labels.

        Args:
            features: Output of the backbone.
            targets: Multi-hot labels, float (B, C).

        Returns:
            ``loss_cls``, ``loss_coarse`` and ``loss_fine``; their sum is minimised.
        """
        logits = self(features)
        return {
            f'loss_{branch}': F.multilabel_soft_margin_loss(value, targets)
            for branch, value in logits._asdict().items()
        }

    def activation_maps(
        self, features: WeakTrFeatures, classes: Tensor | None = None
    ) -> ClassActivationMaps:
        """Computes the maps of the wanted classes only.

        Args:
            features: Output of the backbone.
            classes: Ids of the wanted foreground classes, int64 (K,); all when None.

        Returns:
            Coarse, attended and fine maps.
        """
        scores = self.classifier(features.patch_map)
        if classes is not None:
            scores = scores[:, classes]
        coarse = scores.relu()
        attended = features.attention.class_to_patch(classes).view_as(coarse) * coarse
        fine = features.attention.propagate(attended.flatten(2)).view_as(coarse)
        return ClassActivationMaps(coarse, attended, fine)
