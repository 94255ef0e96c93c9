"""Plain vision transformer with one class token per class and adaptive attention fusion."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import WeakTrInputError
from ..features import WeakTrEncoded
from ..fusions.attention_history import AttentionHistory
from ..fusions.head_fusion import build_fusion
from .cam_encoder import CAMEncoder
from .lean_layer import add_attention, add_feed_forward, attend, use_plain_drop_rates
from .mimetic_init import mimetic_init_
from .patch_whitening import whiten_patches_
from .position_embedding import resize_by_factor
from .registered_vit import RegisteredViT


@MODELS.register_module()
class WeakTrViT(CAMEncoder, RegisteredViT):
    """Vision transformer of the CAM stage.

    Differs from mmpretrain's in four points (WeakTr, arXiv 2304.01184, sections 3.1 and 3.2): there
    are ``num_classes`` class tokens, the last block is not normalised unless requested, the
    position grid is resized by :func:`resize_by_factor`, and the attention of all heads is fused.
    Fusion sees detached queries, keys and outputs, so it does not train the blocks.

    Tokens are class tokens, registers and patches, in this order. Registers are no part of the
    features or of the fused attention.

    Args:
        num_classes: Number of foreground classes ``C``.
        fusion: Config of a :class:`HeadFusion`; its ``type`` is
            :class:`AdaptiveAttentionFusion`, the published one, if it names none.
        final_norm: Whether the tokens of the last block are normalised, as encoders need whose
            last block puts out values of very different sizes (DINOv2). The published CAM network
            does without.
        attention_mode: How products with the fused attention are computed: ``'streaming'``,
            ``'materialized'`` or ``'auto'``.
        mimetic_gain: If given, :meth:`init_weights` prepares the network for training from
            scratch with :func:`mimetic_init_` at this gain.
        patch_whitening: If given, :meth:`init_weights` sets the patch embedding with
            :func:`whiten_patches_` at this floor, which helps training from scratch.
        patch_cfg: Options of the patch embedding; sides that are no multiple of the patch are
            floored unless ``padding`` says otherwise.
        kwargs: Arguments of :class:`RegisteredViT`, as ``num_registers``.

    Raises:
        WeakTrInputError: If ``num_classes`` or ``attention_mode`` is out of range, or the training
            size is not square.

    Examples:
        >>> backbone = WeakTrViT(
        ...     num_classes=3,
        ...     arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
        ...     img_size=32,
        ...     patch_size=8,
        ...     fusion=dict(reduction=2),
        ... )
        >>> features = backbone(torch.zeros(1, 3, 32, 48))
        >>> features.patch_map.shape, features.class_tokens.shape
        (torch.Size([1, 16, 4, 6]), torch.Size([1, 3, 16]))
        >>> features.attention.weights.shape  # of each head of each layer
        torch.Size([1, 2, 2])
    """

    def __init__(
        self,
        num_classes: int,
        fusion: dict | None = None,
        final_norm: bool = False,
        attention_mode: str = 'auto',
        mimetic_gain: float | None = None,
        patch_whitening: float | None = None,
        patch_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        self.accept(num_classes, attention_mode)
        self.num_extra_tokens = num_classes
        super().__init__(
            final_norm=final_norm,
            out_type='raw',
            patch_cfg={'padding': 0, **(patch_cfg or {})},
            **kwargs,
        )
        if self.img_size[0] != self.img_size[1]:
            raise WeakTrInputError(f'img_size: expected a square, got {self.img_size}')
        use_plain_drop_rates(self.layers)
        self.mimetic_gain = mimetic_gain
        self.patch_whitening = patch_whitening
        self.cls_token = nn.Parameter(torch.zeros(1, num_classes, self.embed_dims))
        self.attention_fusion = build_fusion(
            fusion, self.num_layers, self.arch_settings['num_heads'], self.embed_dims
        )

    def init_weights(self) -> None:
        """Initialises as the parent does, with distinct class tokens."""
        super().init_weights()
        if self.is_pretrained:
            return
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        if self.mimetic_gain is not None:
            mimetic_init_(self, self.mimetic_gain)
        if self.patch_whitening is not None:
            whiten_patches_(self.patch_embed.projection, self.patch_whitening)

    def encode(self, images: Tensor) -> WeakTrEncoded:
        """Computes tokens, queries and keys of images (B, 3, H, W)."""
        tokens, grid = self.patch_embed(images)
        tokens = torch.cat((self.cls_token.expand(len(tokens), -1, -1), tokens), dim=1)
        tokens = tokens + self.position_embedding(grid, images.shape[-2:])
        tokens = self.pre_norm(self.drop_after_pos(tokens))  # (B, N, E), with registers

        history, pooled = AttentionHistory(self.num_layers), []
        for layer in self.layers:
            query, key, output = attend(layer.attn, layer.ln1(tokens))
            tokens = add_attention(layer.attn, tokens, output)
            tokens = add_feed_forward(layer.ffn, tokens, layer.ln2(tokens))
            history.append(query, key)
            pooled.append(self.attention_fusion.pool(output))

        if self.final_norm:
            tokens = self.ln1(tokens)
        first_patch = self.num_classes + self.num_registers
        patches = tokens[:, first_patch:].transpose(1, 2).unflatten(2, tuple(grid))
        return WeakTrEncoded(
            tokens[:, : self.num_classes], patches, history.queries, history.keys, pooled
        )

    def position_embedding(self, grid: tuple[int, int], image_size: tuple[int, int]) -> Tensor:
        """Position embeddings of class tokens and patches at a given input size.

        Args:
            grid: Number of patches (h, w).
            image_size: Height and width of the image in pixels.

        Returns:
            (1, C + h * w, E): as trained for a square image of the trained grid, else resized.
        """
        if tuple(grid) == tuple(self.patch_resolution) and image_size[0] == image_size[1]:
            return self.pos_embed
        classes, patches = self.pos_embed.split(
            (self.num_classes, self.pos_embed.size(1) - self.num_classes), dim=1
        )
        return torch.cat((classes, resize_by_factor(patches, grid)), dim=1)
