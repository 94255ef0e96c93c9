"""Adaptive attention fusion: one learned weight per attention head of the whole network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import WeakTrInputError
from .head_fusion import HeadFusion

POOLING = ('max', 'avg')


@MODELS.register_module()
class AdaptiveAttentionFusion(HeadFusion):
    """Weighs every attention head of every layer by what that head put out.

    The output of a layer's attention is split into one feature per head, pooled over the tokens,
    reduced to a number per (head, layer) pair, and a squeeze-and-excitation bottleneck over all
    pairs turns these numbers into weights between 0 and 1 (WeakTr, arXiv 2304.01184, section 3.2).

    The feature of head ``j`` consists of the channels ``j, j + H, j + 2H, ...``, that is, channels
    are dealt to the heads in turn instead of in contiguous blocks. The published models are
    trained this way.

    Args:
        num_layers: Number of transformer layers ``L``; the backbone fills it in, like the next two.
        num_heads: Number of heads ``H`` of each layer.
        head_dims: Width ``d`` of a head.
        reduction: Ratio ``r`` of the bottleneck over the ``H * L`` pairs.
        feature_reduction: Ratio ``r_f`` of the bottleneck over a head's ``d`` channels.
        pooling: How tokens are pooled, ``'max'`` or ``'avg'``.
        init_cfg: Initialisation config of mmengine.

    Raises:
        WeakTrInputError: If ``pooling`` is unknown or a ratio leaves a bottleneck without a
            channel.

    Examples:
        >>> fusion = AdaptiveAttentionFusion(num_layers=2, num_heads=4, head_dims=8)
        >>> pooled = [fusion.pool(torch.zeros(1, 5, 32)) for layer in range(2)]  # 5 tokens
        >>> weights = fusion(pooled)
        >>> weights.shape, bool(((weights > 0) & (weights < 1)).all())
        (torch.Size([1, 4, 2]), True)
    """

    def __init__(
        self,
        num_layers: int,
        num_heads: int,
        head_dims: int,
        reduction: int = 8,
        feature_reduction: int = 8,
        pooling: str = 'max',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_layers, num_heads, head_dims, init_cfg)
        if pooling not in POOLING:
            raise WeakTrInputError(f'pooling: expected one of {POOLING}, got {pooling!r}')
        pairs = num_heads * num_layers
        if int(pairs / reduction) < 1:
            raise WeakTrInputError(
                f'reduction: expected at most {pairs} (heads x layers), got {reduction}'
            )
        if head_dims // feature_reduction < 1:
            raise WeakTrInputError(
                f'feature_reduction: expected at most {head_dims} (channels of a head), '
                f'got {feature_reduction}'
            )
        self.pooling = pooling
        hidden = head_dims // feature_reduction
        self.feature_ffn = nn.Sequential(nn.Linear(head_dims, hidden), nn.Linear(hidden, 1))
        self.head_ffn = nn.Sequential(
            nn.Linear(pairs, int(pairs / reduction), bias=False),
            nn.ReLU(),
            nn.Linear(int(pairs / reduction), pairs, bias=False),
            nn.Sigmoid(),
        )

    def pool(self, attention_output: Tensor) -> Tensor:
        """Pools one layer's attention output over its tokens, without gradient.

        Args:
            attention_output: Output of the layer's projection, float (B, N, E), before drop path
                and residual.

        Returns:
            Pooled feature of each head, (B, H, d).
        """
        output = attention_output.detach()
        pooled = output.amax(dim=1) if self.pooling == 'max' else output.mean(dim=1)  # (B, E)
        return pooled.unflatten(1, (self.head_dims, self.num_heads)).transpose(1, 2)

    def forward(self, pooled: Sequence[Tensor]) -> Tensor:
        """Computes the weights of the heads.

        Args:
            pooled: :meth:`pool` of every layer, ``L`` tensors of shape (B, H, d).

        Returns:
            Weight of each head of each layer, (B, H, L), in (0, 1).
        """
        features = torch.stack(tuple(pooled), dim=2)  # (B, H, L, d)
        scores = self.feature_ffn(features).flatten(1)  # (B, H * L)
        return self.head_ffn(scores).unflatten(1, (self.num_heads, self.num_layers))
