"""``nn.MultiheadAttention`` with attention dropout that costs a CPU little."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LeanMultiheadAttention(nn.MultiheadAttention):
    """PyTorch's attention, its parameters and its results, without the attention matrix it returns.

    On a CPU, attention with dropout has no fused kernel, and drawing a random number for every
    entry of the matrix took longer than both of its products. Here four entries share a 64-bit draw
    of the same generator, so dropout differs from PyTorch's in the numbers that are drawn and in
    its rate, rounded to a multiple of 2^-16.
    """

    @classmethod
    def sharing(cls, module: nn.MultiheadAttention) -> LeanMultiheadAttention:
        """Takes over the parameters of a module that attends to inputs of one width."""
        lean = cls(
            module.embed_dim,
            module.num_heads,
            module.dropout,
            bias=module.in_proj_bias is not None,
            batch_first=module.batch_first,
            device='meta',
        )
        lean.in_proj_weight, lean.in_proj_bias = module.in_proj_weight, module.in_proj_bias
        lean.out_proj = module.out_proj
        return lean

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        """Attends.

        Args:
            query: (N, B, E), or (B, N, E) if ``batch_first``.
            key: (M, B, E), or (B, M, E).
            value: As the key.
            key_padding_mask: As in PyTorch.
            need_weights: Ignored.
            attn_mask: As in PyTorch.
            **kwargs: As in PyTorch.

        Returns:
            Output of the projection, as the query, and None.
        """
        masked = key_padding_mask is not None or attn_mask is not None
        drops = self.training and self.dropout > 0
        if not drops or masked or query.device.type != 'cpu' or query.dtype != torch.float32:
            return super().forward(query, key, value, key_padding_mask, False, attn_mask, **kwargs)
        batch_dim = 0 if self.batch_first else 1
        weights = self.in_proj_weight.chunk(3)
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        query, key, value = (
            F.linear(tokens, weight, bias)
            .unflatten(2, (self.num_heads, self.head_dim))
            .movedim(batch_dim, 0)
            .transpose(1, 2)
            for tokens, weight, bias in zip((query, key, value), weights, biases)
        )  # (B, H, N, d)
        attention = (query * self.head_dim**-0.5 @ key.transpose(2, 3)).softmax(dim=3)
        attention = attention.masked_fill(dropped(attention.shape, self.dropout), 0)
        mixed = attention @ (value / (1 - self.dropout))  # (B, H, N, d)
        return self.out_proj(mixed.transpose(1, 2).flatten(2).movedim(0, batch_dim)), None


def dropped(shape: torch.Size, rate: float) -> Tensor:
    """Draws what dropout removes, on the CPU.

    Args:
        shape: Any.
        rate: Probability, rounded to a multiple of 2^-16.

    Returns:
        bool, of that shape.
    """
    count = shape.numel()
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    return draws.view(torch.int16)[:count].view(shape) < round(rate * (1 << 16)) - (1 << 15)
