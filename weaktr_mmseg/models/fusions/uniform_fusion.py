"""Fusion without learning: all heads equal, of all layers or of the last ones."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor

from ...utils.errors import WeakTrInputError
from .head_fusion import HeadFusion


@MODELS.register_module()
class WeakTrUniformFusion(HeadFusion):
    """Gives all heads the same weight, the ablation that learned weights are compared with.

    The fused attention is the plain mean over the heads of the chosen layers: they weigh ``L / k``
    and the others 0, so that the mean weight is 1 and the size of maps and logits does not depend
    on ``k``.

    Args:
        num_layers: Number of transformer layers ``L``; the backbone fills it in, like the next two.
        num_heads: Number of heads ``H`` of each layer.
        head_dims: Width ``d`` of a head.
        last_layers: Number ``k`` of layers, counted from the last, whose heads are fused; all of
            them by default.
        init_cfg: Initialisation config of mmengine.

    Raises:
        WeakTrInputError: If ``last_layers`` is not between 1 and ``L``.

    Examples:
        >>> import torch
        >>> fusion = WeakTrUniformFusion(num_layers=4, num_heads=2, head_dims=8, last_layers=2)
        >>> pooled = [fusion.pool(torch.zeros(1, 5, 16)) for layer in range(4)]  # 5 tokens
        >>> fusion(pooled)[0].tolist()
        [[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]]
    """

    def __init__(
        self,
        num_layers: int,
        num_heads: int,
        head_dims: int,
        last_layers: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_layers, num_heads, head_dims, init_cfg)
        chosen = num_layers if last_layers is None else last_layers
        if not 1 <= chosen <= num_layers:
            raise WeakTrInputError(
                f'last_layers: expected 1 to {num_layers} (the layers of the network), got {chosen}'
            )
        self.fused_layers = range(num_layers - chosen, num_layers)

    def forward(self, pooled: Sequence[Tensor]) -> Tensor:
        """Computes the weights of the heads.

        Args:
            pooled: :meth:`pool` of every layer, of which the batch size and the dtype are taken.

        Returns:
            (B, H, L): ``L / k`` for the chosen layers, 0 for the others.
        """
        weights = pooled[0].new_zeros(len(pooled[0]), self.num_heads, self.num_layers)
        weights[..., -len(self.fused_layers) :] = self.num_layers / len(self.fused_layers)
        return weights
