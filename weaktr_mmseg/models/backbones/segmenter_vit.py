"""Plain ViT encoder of the retraining stage."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule, ModuleList
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmseg.registry import MODELS
from torch import Tensor

from .lean_layer import add_attention, add_feed_forward, attend, use_plain_drop_rates
from .registered_vit import RegisteredViT


class LeanEncoderLayer(TransformerEncoderLayer):
    """A layer of mmpretrain's ViT computed by :mod:`weaktr_mmseg.models.backbones.lean_layer`.

    Args:
        layer: The layer whose modules it takes over, under their names.
    """

    def __init__(self, layer: TransformerEncoderLayer) -> None:
        BaseModule.__init__(self)
        self.embed_dims = layer.embed_dims
        for name, child in layer.named_children():
            self.add_module(name, child)

    def forward(self, x: Tensor) -> Tensor:
        """Updates tokens (B, N, E)."""
        x = add_attention(self.attn, x, attend(self.attn, self.ln1(x)).output)
        return add_feed_forward(self.ffn, x, self.ln2(x))


@MODELS.register_module()
class WeakTrSegmenterViT(RegisteredViT):
    """mmpretrain's ``VisionTransformer``, its parameters and its results, at less time and memory.

    Args:
        **kwargs: See :class:`RegisteredViT`.
    """

    layers: ModuleList

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layers = ModuleList(LeanEncoderLayer(layer) for layer in self.layers)
        use_plain_drop_rates(self.layers)
