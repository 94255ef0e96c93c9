"""EVA-02 encoder of the retraining stage."""

from __future__ import annotations

from typing import Any

from mmpretrain.models.backbones import ViTEVA02
from mmseg.registry import MODELS

from .rotary_attention import RotaryAttention, RotaryEmbedding


@MODELS.register_module()
class WeakTrEVA02(ViTEVA02):
    """mmpretrain's EVA-02 with the attention that EVA-02's published weights were trained with.

    The parent rotates the two channels of a pair by different angles, scales positions by the
    width of a head instead of the pre-training grid, and gives keys a bias.

    Args:
        attn_drop_rate: Dropout rate of the attention weights.
        proj_drop_rate: Dropout rate of the attention output.
        **kwargs: See :class:`mmpretrain.models.ViTEVA02`, without ``qkv_bias`` and
            ``with_cls_token``.
    """

    def __init__(
        self, attn_drop_rate: float = 0.0, proj_drop_rate: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(qkv_bias=False, with_cls_token=True, **kwargs)
        self.rope = RotaryEmbedding(self.embed_dims // self.num_heads)
        for layer in self.layers:
            layer.attn = RotaryAttention(
                self.embed_dims,
                self.num_heads,
                rope=self.rope,
                attn_drop=attn_drop_rate,
                proj_drop=proj_drop_rate,
            )
