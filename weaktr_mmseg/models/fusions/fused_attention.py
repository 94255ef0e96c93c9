"""The fused attention of all heads as an operator on class activation maps.

``F = 1 / (H L) * sum over layers l and heads h of  w[h, l] * softmax(q k^T / sqrt(d))`` is an
``N x N`` matrix, yet a CAM head needs three products with it and never the matrix. Both classes
here give these products; the streaming one never holds more than a strip of one layer's matrix.
The attention is constant: gradients reach the weights ``w`` and the maps, not queries and keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MODES = ('auto', 'streaming', 'materialized')
# `auto` builds the matrix at inference up to so many tokens: on a CPU it took 0.7 to 0.9 of the
# time at 70 to 216 tokens (docs/benchmarks.md); in training it gained nothing.
MATERIALIZED_TOKENS = 256
STRIP_ELEMENTS = 1 << 23  # attention entries that a strip of rows may hold: 32 MiB of float32


class FusedAttention(ABC):
    """Products of the fused attention matrix with class activation maps.

    Args:
        queries: Per layer, float (B, H, N, d), class tokens first.
        keys: Per layer, float (B, H, N, d).
        weights: Weight of each head of each layer, (B, H, L).
        num_classes: Number of class tokens ``C``; the remaining ``N - C`` tokens are patches.
    """

    def __init__(
        self,
        queries: Sequence[Tensor],
        keys: Sequence[Tensor],
        weights: Tensor,
        num_classes: int,
    ) -> None:
        self.queries = [query.detach() for query in queries]
        self.keys = [key.detach() for key in keys]
        self.weights = weights
        self.num_classes = num_classes

    @property
    def scaled_weights(self) -> Tensor:
        """Weights divided by the number of (head, layer) pairs, (L, B, H)."""
        _, heads, layers = self.weights.shape
        return self.weights.permute(2, 0, 1) / (heads * layers)

    @abstractmethod
    def class_to_patch(self, classes: Tensor | None = None) -> Tensor:
        """Attention that class tokens pay to patches.

        Args:
            classes: Ids of the wanted classes, int64 (K,); all ``C`` when None.

        Returns:
            Rows of classes, columns of patches, (B, K, Np).
        """

    @abstractmethod
    def propagate(self, maps: Tensor) -> Tensor:
        """Spreads maps along the attention between patches.

        Args:
            maps: Values of the patches, (B, K, Np).

        Returns:
            For each patch the attention-weighted sum of ``maps`` over all patches, (B, K, Np).
        """

    @abstractmethod
    def propagated_mean(self, maps: Tensor) -> Tensor:
        """Mean over patches of :meth:`propagate`, which the training loss needs, (B, K)."""


class MaterializedFusedAttention(FusedAttention):
    """Builds the matrix once, O(N^2) memory: the reference and the faster one for few tokens."""

    def __init__(
        self,
        queries: Sequence[Tensor],
        keys: Sequence[Tensor],
        weights: Tensor,
        num_classes: int,
    ) -> None:
        super().__init__(queries, keys, weights, num_classes)
        self.matrix: Tensor = sum(  # (B, N, N)
            torch.einsum('bh,bhnm->bnm', weight, attention_rows(query, key))
            for weight, query, key in zip(self.scaled_weights, self.queries, self.keys)
        )

    def class_to_patch(self, classes: Tensor | None = None) -> Tensor:
        rows = self.matrix[:, : self.num_classes, self.num_classes :]
        return rows if classes is None else rows[:, classes]

    def propagate(self, maps: Tensor) -> Tensor:
        patches = self.matrix[:, self.num_classes :, self.num_classes :]
        return maps @ patches.transpose(1, 2)

    def propagated_mean(self, maps: Tensor) -> Tensor:
        return self.propagate(maps).mean(dim=2)


class StreamingFusedAttention(FusedAttention):
    """Recomputes attention layer by layer, memory linear in the number of tokens."""

    def class_to_patch(self, classes: Tensor | None = None) -> Tensor:
        chosen = slice(self.num_classes) if classes is None else classes
        fused = 0
        for weight, query, key in zip(self.scaled_weights, self.queries, self.keys):
            rows = attention_rows(query[:, :, chosen], key)[..., self.num_classes :]
            fused = fused + torch.einsum('bh,bhkn->bkn', weight, rows)
        return fused

    def propagate(self, maps: Tensor) -> Tensor:
        groups = maps.split(self.queries[0].size(3), dim=1)  # as many maps as a head is wide
        return torch.cat([self._propagate_group(group) for group in groups], dim=1)

    def _propagate_group(self, maps: Tensor) -> Tensor:
        heads, head_dims = self.queries[0].shape[1], self.queries[0].shape[3]
        # Fused SDPA kernels want values as wide as queries, (B, H, N, d): zeros for class tokens
        # and for the channels beyond the maps.
        values = F.pad(
            maps.transpose(1, 2), (0, head_dims - maps.size(1), self.num_classes, 0)
        ).unsqueeze(1)
        values = values.to(self.queries[0].dtype).expand(-1, heads, -1, -1)
        fused = 0
        for weight, query, key in zip(self.scaled_weights, self.queries, self.keys):
            patch_query = query[:, :, self.num_classes :]
            spread = F.scaled_dot_product_attention(patch_query, key, values)
            spread = spread[..., : maps.size(1)].to(weight.dtype)  # (B, H, Np, K)
            fused = fused + torch.einsum('bh,bhnk->bkn', weight, spread)
        return fused

    def propagated_mean(self, maps: Tensor) -> Tensor:
        # mean_p (F m)_p = sum_q (mean_p F_pq) m_q: the mean needs one number per column.
        fused = 0
        for weight, query, key in zip(self.scaled_weights, self.queries, self.keys):
            columns = mean_patch_row(query, key, self.num_classes)  # (B, H, Np)
            fused = fused + torch.einsum('bh,bhn->bn', weight, columns)
        return torch.einsum('bn,bkn->bk', fused, maps)


@torch.no_grad()
def attention_rows(query: Tensor, key: Tensor) -> Tensor:
    """Softmaxed attention of the given queries over all keys, (B, H, M, d) -> (B, H, M, N)."""
    scale = query.size(-1) ** -0.5
    return torch.softmax((query * scale) @ key.transpose(-2, -1), dim=-1)


@torch.no_grad()
def mean_patch_row(query: Tensor, key: Tensor, num_classes: int) -> Tensor:
    """Mean of the attention rows of all patches, at the columns of the patches.

    Args:
        query: (B, H, N, d), class tokens first.
        key: (B, H, N, d).
        num_classes: Number of class tokens.

    Returns:
        (B, H, Np). Rows are visited in strips of at most ``STRIP_ELEMENTS`` entries.
    """
    batch, heads, tokens, _ = query.shape
    patch_query = query[:, :, num_classes:]
    strip = max(1, STRIP_ELEMENTS // (batch * heads * tokens))
    total = sum(attention_rows(rows, key).sum(dim=2) for rows in patch_query.split(strip, dim=2))
    return total[..., num_classes:] / patch_query.size(2)


def fuse_attention(
    queries: Sequence[Tensor],
    keys: Sequence[Tensor],
    weights: Tensor,
    num_classes: int,
    mode: str = 'auto',
) -> FusedAttention:
    """Chooses how the fused attention is computed.

    Args:
        queries: Per layer, (B, H, N, d).
        keys: Per layer, (B, H, N, d).
        weights: (B, H, L).
        num_classes: Number of class tokens.
        mode: ``'streaming'``, ``'materialized'`` or ``'auto'``, the faster of the two: the latter
            for at most ``MATERIALIZED_TOKENS`` tokens without gradient, else the former.

    Returns:
        The operator.

    Raises:
        ValueError: If ``mode`` is unknown.
    """
    if mode not in MODES:
        raise ValueError(f'attention mode: expected one of {MODES}, got {mode!r}')
    if mode == 'auto':
        learns = weights.requires_grad and torch.is_grad_enabled()
        few = queries[0].size(2) <= MATERIALIZED_TOKENS
        mode = 'materialized' if few and not learns else 'streaming'
    operator = MaterializedFusedAttention if mode == 'materialized' else StreamingFusedAttention
    return operator(queries, keys, weights, num_classes)
