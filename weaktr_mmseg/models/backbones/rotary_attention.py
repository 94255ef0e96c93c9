"""Self-attention with the rotary position embedding of EVA-02's published weights."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmpretrain.models.backbones.vit_eva02 import AttentionWithRoPE
from torch import Tensor, nn

REFERENCE_SIDE = 16  # patches along a side of EVA-02's pre-training images (224 / 14)


def rotary_angles(grid: tuple[int, int], head_dims: int, theta: float = 10000.0) -> Tensor:
    """Computes by which angle each channel pair of each patch is turned.

    Coordinates are scaled to the pre-training grid, so that angles do not depend on resolution.
    The first half of the channels encodes the row, the second half the column; the channels
    ``2k`` and ``2k + 1`` form a pair and have the same angle.

    Source: Su et al., "RoFormer", arXiv 2104.09864; two-dimensional as in Fang et al., "EVA-02",
    arXiv 2303.11331.

    Args:
        grid: Number of patches (h, w).
        head_dims: Width of an attention head, a multiple of 4.
        theta: Base of the geometric series of frequencies.

    Returns:
        Angles in radians, (h * w, head_dims), float32, on the CPU.
    """
    half = head_dims // 2
    frequency = theta ** -(torch.arange(0, half, 2).float() / half)  # (half / 2,)
    row, column = (
        (torch.arange(side) / side * REFERENCE_SIDE)[:, None] * frequency for side in grid
    )
    height, width = grid
    angles = torch.cat(
        (row[:, None].expand(-1, width, -1), column[None].expand(height, -1, -1)), dim=2
    )  # (h, w, half)
    return angles.flatten(0, 1).repeat_interleave(2, dim=1)


class RotaryEmbedding(nn.Module):
    """Turns queries or keys by the angles of their patches.

    The tables of the latest grid are kept. They follow from the grid, so they are no part of a
    checkpoint.

    Args:
        head_dims: Width of an attention head, a multiple of 4.
    """

    def __init__(self, head_dims: int) -> None:
        super().__init__()
        self.head_dims = head_dims
        self._grid: tuple[int, int] | None = None
        self.register_buffer('cos', torch.empty(0), persistent=False)
        self.register_buffer('sin', torch.empty(0), persistent=False)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Rotates patch tokens.

        Args:
            tokens: Queries or keys of the patches, (B, H, h * w, head_dims).
            grid: Number of patches (h, w).

        Returns:
            The rotated tokens in the shape and dtype of ``tokens``.
        """
        if self._grid != tuple(grid):
            angles = rotary_angles(grid, self.head_dims).to(tokens.device)
            self._grid, self.cos, self.sin = (grid[0], grid[1]), angles.cos(), angles.sin()
        even, odd = tokens.unflatten(-1, (-1, 2)).unbind(-1)
        turned = torch.stack((-odd, even), dim=-1).flatten(-2)
        return (tokens * self.cos + turned * self.sin).type_as(tokens)


class RotaryAttention(AttentionWithRoPE):
    """Attention of EVA-02: queries and values have a bias, keys have none.

    The keys' bias of the parent would be no constant after the softmax, because rotation makes
    its product with the queries depend on the position.

    Args:
        embed_dims: Width E of the tokens.
        num_heads: Number of heads.
        rope: Rotation applied to all tokens but the first, the class token.
        **kwargs: See :class:`mmpretrain.models.backbones.vit_eva02.AttentionWithRoPE`.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, rope: RotaryEmbedding, **kwargs: Any
    ) -> None:
        super().__init__(embed_dims, num_heads, qkv_bias=False, rope=rope, **kwargs)
        self.q_bias = nn.Parameter(torch.zeros(embed_dims))
        self.v_bias = nn.Parameter(torch.zeros(embed_dims))

    def forward(self, x: Tensor, patch_resolution: tuple[int, int]) -> Tensor:
        """Attends.

        Args:
            x: The class token followed by the patches, (B, 1 + h * w, E).
            patch_resolution: Number of patches (h, w).

        Returns:
            Updated tokens, (B, 1 + h * w, E).
        """
        bias = torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))
        qkv = F.linear(x, self.qkv.weight, bias).unflatten(2, (3, self.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # 3 x (B, H, N, d)
        query, key = (
            torch.cat((tokens[:, :, :1], self.rope(tokens[:, :, 1:], patch_resolution)), dim=2)
            for tokens in (query, key)
        )
        dropout = self.attn_drop.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.proj_drop(self.proj(mixed.transpose(1, 2).flatten(2)))
