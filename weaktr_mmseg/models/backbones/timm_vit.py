"""timm's transformers as encoders of the CAM stage."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...utils.errors import WeakTrInputError
from ..features import WeakTrEncoded
from ..fusions.attention_history import AttentionHistory
from ..fusions.head_fusion import build_fusion
from .cam_encoder import CAMEncoder
from .timm_encoder import TimmEncoder


class AttentionRecorder(TorchFunctionMode):
    """Keeps queries and keys of every attention that is computed while it is entered.

    It sees what ``scaled_dot_product_attention`` is given: after rotary positions and norms of
    queries and keys, whichever module calls it.

    Args:
        history: Where they are kept.

    Raises:
        WeakTrInputError: If an attention has a bias or a scale of its own, which the fused
            attention would lack.
    """

    def __init__(self, history: AttentionHistory) -> None:
        super().__init__()
        self.history = history

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Calls the function and keeps the first two arguments of an attention."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            if any(kwargs.get(name) is not None for name in ('attn_mask', 'scale')):
                raise WeakTrInputError(
                    'WeakTrTimmViT: expected attention without relative position bias or scale of '
                    'its own; choose a model of the ViT or EVA family of timm'
                )
            self.history.append(args[0], args[1])
        return func(*args, **kwargs)


@MODELS.register_module()
class WeakTrTimmViT(CAMEncoder, TimmEncoder):
    """A ViT or EVA of timm with one class token per class and fused attention of all heads.

    Reads DeiT-III, DINOv2 with registers, DINOv3, EVA-02, CLIP and SigLIP 2 from timm, with its
    weights. Each class token starts as the pretrained one with its position (a model without a
    class token gets fresh ones); registers stay as they are and take no part in maps. Images of
    other sizes than ``img_size`` have their positions computed by timm.

    Args:
        num_classes: Number of foreground classes ``C``.
        fusion: Config of a :class:`HeadFusion`, as in :class:`WeakTrViT`.
        attention_mode: How products with the fused attention are computed, see
            :func:`fuse_attention`.
        **kwargs: Arguments of :class:`TimmEncoder`.

    Raises:
        WeakTrInputError: If ``num_classes`` or ``attention_mode`` is out of range, or for the
            reasons of :class:`TimmEncoder`.
    """

    def __init__(
        self,
        num_classes: int,
        fusion: dict | None = None,
        attention_mode: str = 'auto',
        **kwargs: Any,
    ) -> None:
        self.accept(num_classes, attention_mode)
        super().__init__(**kwargs)
        self.num_registers = self.vit.num_prefix_tokens - num_classes
        blocks = self.vit.blocks
        self.attention_fusion = build_fusion(
            fusion, len(blocks), blocks[0].attn.num_heads, self.embed_dims
        )
        self._pooled: list[Tensor] = []
        for block in blocks:
            block.attn.register_forward_hook(self._pool)

    def init_weights(self) -> None:
        """Loads the pretrained weights; without any, makes class tokens distinct."""
        super().init_weights()
        if not self.pretrained:
            nn.init.trunc_normal_(self.vit.cls_token, std=0.02)

    def _build(self, pretrained: bool) -> nn.Module:
        vit = super()._build(pretrained)
        repeat_class_token_(vit, self.num_classes)
        return vit

    def encode(self, images: Tensor) -> WeakTrEncoded:
        """Computes tokens, queries and keys of images (B, 3, H, W)."""
        height, width = (
            side // patch * patch for side, patch in zip(images.shape[2:], self.patch_size)
        )
        images = images[..., :height, :width]
        history = AttentionHistory(len(self.vit.blocks))
        pooled: list[Tensor] = []
        self._pooled = pooled
        with AttentionRecorder(history):
            tokens = self.vit.forward_features(images)
        return WeakTrEncoded(
            tokens[:, : self.num_classes],
            self.patch_map(tokens, images),
            history.queries,
            history.keys,
            pooled,
        )

    def _pool(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self._pooled.append(self.attention_fusion.pool(output))


@torch.no_grad()
def repeat_class_token_(vit: nn.Module, count: int) -> None:
    """Gives a network of timm as many class tokens as there are classes.

    Positions of class token and registers are added to the tokens themselves, once and for all,
    so that timm adds positions to patches only.

    Args:
        vit: A ViT or EVA of timm, changed in place.
        count: Number of class tokens ``C``.
    """
    has_class = vit.cls_token is not None
    registers = vit.num_prefix_tokens - has_class
    if vit.pos_embed is not None and not vit.no_embed_class and vit.num_prefix_tokens:
        positions = vit.pos_embed.split(
            (int(has_class), registers, vit.pos_embed.size(1) - vit.num_prefix_tokens), dim=1
        )
        if has_class:
            vit.cls_token += positions[0]
        if registers:
            vit.reg_token += positions[1]
        vit.pos_embed = nn.Parameter(positions[2].clone())
    vit.no_embed_class = True
    if has_class:
        tokens = vit.cls_token.repeat(1, count, 1)
    else:
        tokens = nn.init.trunc_normal_(torch.empty(1, count, vit.embed_dim), std=0.02)
    vit.cls_token = nn.Parameter(tokens)
    for module in vit.modules():  # rotary attention leaves the first tokens as they are
        if hasattr(module, 'num_prefix_tokens'):
            module.num_prefix_tokens = count + registers
