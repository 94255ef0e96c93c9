"""One learned weight for every attention head, the same for all images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import check_choice
from .head_fusion import HeadFusion

ACTIVATIONS = ('sigmoid', 'softmax')


@MODELS.register_module()
class WeakTrStaticFusion(HeadFusion):
    """Weights that do not depend on the image: as many numbers as there are heads.

    The published bottleneck has thousands of parameters and moves its weights by common factors;
    one number per head moves freely, needs few images, and can be read. All heads start equal.
    Train it with :class:`WeakTrSeedCompletionLoss`, at a higher rate than the rest
    (``paramwise_cfg=dict(custom_keys={'attention_fusion': dict(lr_mult=...)})``).

    Args:
        activation: ``'sigmoid'`` gives each head a weight in (0, 1), 0.5 at the start;
            ``'softmax'`` lets heads compete, weights have the mean 1.
        **kwargs: Arguments of :class:`HeadFusion`.

    Raises:
        WeakTrInputError: If the activation is unknown.

    Examples:
        >>> fusion = WeakTrStaticFusion(num_layers=2, num_heads=3, head_dims=8)
        >>> fusion([torch.zeros(1, 0), torch.zeros(1, 0)])[0].tolist()
        [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    def __init__(self, activation: str = 'sigmoid', **kwargs) -> None:
        super().__init__(**kwargs)
        check_choice('fusion.activation', activation, ACTIVATIONS)
        self.activation = activation
        self.logits = nn.Parameter(torch.zeros(self.num_heads, self.num_layers))

    def forward(self, pooled: Sequence[Tensor]) -> Tensor:
        """Returns the weights, one copy for each image.

        Args:
            pooled: :meth:`pool` of every layer; its length tells the number of images ``B``.

        Returns:
            (B, H, L).
        """
        if self.activation == 'sigmoid':
            weights = self.logits.sigmoid()
        else:
            weights = self.logits.flatten().softmax(0).view_as(self.logits) * self.logits.numel()
        return weights.expand(len(pooled[0]), -1, -1)
