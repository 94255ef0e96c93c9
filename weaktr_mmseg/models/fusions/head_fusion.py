"""What a fusion of attention heads is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor


class HeadFusion(BaseModule, ABC):
    """Weighs every attention head of every layer.

    The backbone calls :meth:`pool` on what the attention of each layer puts out, and after the
    last layer :meth:`forward` on all results. It fuses the heads as
    ``1 / (H L) * sum over layers and heads of weight * attention``. Maps are scaled to [0, 1] in
    the end, so a common factor of all weights changes no label; at a mean weight of 1 the rows of
    the fused attention sum to 1.

    A further fusion is a registered subclass, named in the config as
    ``backbone.fusion=dict(type=...)``. One whose weights do not depend on the image defines
    ``forward`` alone::

        @MODELS.register_module()
        class FirstHead(HeadFusion):
            def forward(self, pooled):
                weights = pooled[0].new_zeros(len(pooled[0]), self.num_heads, self.num_layers)
                weights[:, 0] = self.num_heads
                return weights

    Args:
        num_layers: Number of transformer layers ``L``; the backbone fills it in, like the next two.
        num_heads: Number of heads ``H`` of each layer.
        head_dims: Width ``d`` of a head.
        init_cfg: Initialisation config of mmengine.

    Attributes:
        fused_layers: Indices of the layers that may have a weight other than 0, all by default;
            no product is computed for the others.
    """

    fused_layers: Sequence[int]

    def __init__(
        self, num_layers: int, num_heads: int, head_dims: int, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.head_dims = head_dims
        self.fused_layers = range(num_layers)

    def pool(self, attention_output: Tensor) -> Tensor:
        """Reduces one layer's attention output to what :meth:`forward` needs; here to nothing.

        Args:
            attention_output: Output of the layer's projection, float (B, N, E), before layer scale,
                drop path and residual. Whoever reads it detaches it: the fusion does not train
                the layers.

        Returns:
            Anything whose length is ``B``; here (B, 0), of the same dtype and device.
        """
        return attention_output.new_empty(len(attention_output), 0)

    @abstractmethod
    def forward(self, pooled: Sequence[Tensor]) -> Tensor:
        """Computes the weights of the heads.

        Args:
            pooled: :meth:`pool` of every layer, ``L`` tensors.

        Returns:
            Weight of each head of each layer, not negative, (B, H, L).
        """


def build_fusion(
    fusion: dict | None, num_layers: int, num_heads: int, embed_dims: int
) -> HeadFusion:
    """Builds the fusion of a transformer.

    Args:
        fusion: Config of a registered :class:`HeadFusion`, by default of the published one, which
            configs of version 0.1 leave unnamed.
        num_layers: Number of layers.
        num_heads: Number of heads of each layer.
        embed_dims: Width of the tokens.
    """
    sizes = dict(num_layers=num_layers, num_heads=num_heads, head_dims=embed_dims // num_heads)
    return MODELS.build({'type': 'AdaptiveAttentionFusion', **(fusion or {}), **sizes})
