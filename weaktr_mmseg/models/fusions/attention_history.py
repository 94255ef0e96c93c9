"""Queries and keys of all layers, from which the fused attention is computed after the last."""

from __future__ import annotations

import torch
from torch import Tensor


class AttentionHistory:
    """Collects the queries and keys of each layer without gradient.

    While autograd records, it keeps the layers' own tensors, which the backward pass needs anyway.
    Otherwise it copies them into one block that is allocated once: a view would keep the values of
    the layer too, and small blocks between short-lived ones leave holes in the heap.

    Args:
        num_layers: Number of layers ``L``.

    Attributes:
        queries: Of each layer so far, (B, H, N, d).
        keys: Of each layer so far, (B, H, N, d).
    """

    def __init__(self, num_layers: int) -> None:
        self._num_layers = num_layers
        self._block: Tensor | None = None
        self.queries: list[Tensor] = []
        self.keys: list[Tensor] = []

    def append(self, query: Tensor, key: Tensor) -> None:
        """Adds the queries and keys of the next layer, (B, H, N, d) each."""
        query, key = query.detach(), key.detach()
        if not torch.is_grad_enabled():
            if self._block is None:
                self._block = query.new_empty(self._num_layers, 2, *query.shape)
            copies = self._block[len(self.queries)]
            copies[0].copy_(query)
            copies[1].copy_(key)
            query, key = copies
        self.queries.append(query)
        self.keys.append(key)
