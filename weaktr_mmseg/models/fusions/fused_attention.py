"""The fused attention of all heads as an operator on class activation maps.

``F = 1 / (H L) * sum over layers l and heads h of  w[h, l] * softmax(q k^T / sqrt(d))`` is an
``N x N`` matrix, yet a CAM head needs three products with it and never the matrix. Both classes
here give these products; the streaming one never holds more than a strip of one layer's matrix.
The attention is constant: gradients reach the weights ``w`` and the maps, not queries and keys.
Tokens are class tokens, registers (which take part in the softmax but have neither rows nor columns
in ``F``) and patches, in this order. Sums over heads and layers are formed in at least float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...utils.errors import check_choice

MODES = ('auto', 'streaming', 'materialized')
# `auto` builds the matrix at inference up to so many tokens: on a CPU it took 0.7 to 0.9 of the
# time at 70 to 216 tokens (docs/benchmarks.md); in training it gained nothing.
MATERIALIZED_TOKENS = 256
STRIP_ELEMENTS = 1 << 23  # attention entries that a strip of rows may hold: 32 MiB of float32


class FusedAttention(ABC):
    """Products of the fused attention matrix with class activation maps.

    Args:
        queries: Per layer, float (B, H, N, d): class tokens, registers, patches.
        keys: Per layer, float (B, H, N, d).
        weights: Weight of each head of each layer, (B, H, L).
        num_classes: Number of class tokens ``C``.
        num_registers: Number of registers ``R``; the remaining ``N - C - R`` tokens are patches.
        fused_layers: Indices of the layers whose weights are not all 0; by default all layers.
    """

    def __init__(
        self,
        queries: Sequence[Tensor],
        keys: Sequence[Tensor],
        weights: Tensor,
        num_classes: int,
        num_registers: int = 0,
        fused_layers: Sequence[int] | None = None,
    ) -> None:
        self.queries = [query.detach() for query in queries]
        self.keys = [key.detach() for key in keys]
        self.weights = weights
        self.num_classes = num_classes
        self.first_patch = num_classes + num_registers
        self.fused_layers = range(len(self.queries)) if fused_layers is None else fused_layers

    def reweighted(self, weights: Tensor) -> FusedAttention:
        """The same attention with other weights of the heads, (B, H, L)."""
        registers = self.first_patch - self.num_classes
        return type(self)(
            self.queries, self.keys, weights, self.num_classes, registers, self.fused_layers
        )

    def _layers(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Weights divided by the number of pairs (B, H), queries and keys of each fused layer."""
        _, heads, layers = self.weights.shape
        wide = torch.promote_types(self.weights.dtype, torch.float32)
        scaled = self.weights.to(wide).permute(2, 0, 1) / (heads * layers)
        for layer in self.fused_layers:
            yield scaled[layer], self.queries[layer], self.keys[layer]

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

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.matrix: Tensor = sum(  # (B, N, N)
            _weighted_sum('bh,bhnm->bnm', weight, attention_rows(query, key))
            for weight, query, key in self._layers()
        )

    def class_to_patch(self, classes: Tensor | None = None) -> Tensor:
        rows = self.matrix[:, : self.num_classes, self.first_patch :]
        return rows if classes is None else rows[:, classes]

    def propagate(self, maps: Tensor) -> Tensor:
        patches = self.matrix[:, self.first_patch :, self.first_patch :]
        return maps.to(patches.dtype) @ patches.transpose(1, 2)

    def propagated_mean(self, maps: Tensor) -> Tensor:
        return self.propagate(maps).mean(dim=2)


class StreamingFusedAttention(FusedAttention):
    """Recomputes attention layer by layer, memory linear in the number of tokens."""

    def class_to_patch(self, classes: Tensor | None = None) -> Tensor:
        chosen = slice(self.num_classes) if classes is None else classes
        fused = 0
        for weight, query, key in self._layers():
            rows = attention_rows(query[:, :, chosen], key)[..., self.first_patch :]
            fused = fused + _weighted_sum('bh,bhkn->bkn', weight, rows)
        return fused

    def propagate(self, maps: Tensor) -> Tensor:
        groups = maps.split(self.queries[0].size(3), dim=1)  # as many maps as a head is wide
        return torch.cat([self._propagate_group(group) for group in groups], dim=1)

    def _propagate_group(self, maps: Tensor) -> Tensor:
        heads, head_dims = self.queries[0].shape[1], self.queries[0].shape[3]
        # Fused SDPA kernels want values as wide as queries, (B, H, N, d): zeros for class tokens,
        # registers and the channels beyond the maps.
        values = F.pad(
            maps.transpose(1, 2), (0, head_dims - maps.size(1), self.first_patch, 0)
        ).unsqueeze(1)
        values = values.to(self.queries[0].dtype).expand(-1, heads, -1, -1)
        fused = 0
        for weight, query, key in self._layers():
            patch_query = query[:, :, self.first_patch :]
            spread = F.scaled_dot_product_attention(patch_query, key, values)
            spread = spread[..., : maps.size(1)]  # (B, H, Np, K)
            fused = fused + _weighted_sum('bh,bhnk->bkn', weight, spread)
        return fused

    def propagated_mean(self, maps: Tensor) -> Tensor:
        # mean_p (F m)_p = sum_q (mean_p F_pq) m_q: the mean needs one number per column.
        fused: Tensor = sum(  # (B, Np)
            _weighted_sum('bh,bhn->bn', weight, mean_patch_row(query, key, self.first_patch))
            for weight, query, key in self._layers()
        )
        return torch.einsum('bn,bkn->bk', fused, maps.to(fused.dtype))


def _weighted_sum(equation: str, weight: Tensor, values: Tensor) -> Tensor:
    """``einsum`` of wide weights with perhaps narrower values, as wide as the weights."""
    if not torch.is_autocast_enabled(values.device.type):  # which would narrow them again
        values = values.to(weight.dtype)
    return torch.einsum(equation, weight, values).to(weight.dtype)


@torch.no_grad()
def attention_rows(query: Tensor, key: Tensor) -> Tensor:
    """Softmaxed attention of the given queries over all keys, (B, H, M, d) -> (B, H, M, N).

    It is as narrow as the scores: autocast would widen it for a sum that narrows it again, which
    took two thirds of the time of the fused matrix.
    """
    scale = query.size(-1) ** -0.5
    scores = (query * scale) @ key.transpose(-2, -1)
    with torch.autocast(scores.device.type, enabled=False):
        return torch.softmax(scores, dim=-1)


@torch.no_grad()
def mean_patch_row(query: Tensor, key: Tensor, first_patch: int) -> Tensor:
    """Mean of the attention rows of all patches, at the columns of the patches.

    Args:
        query: (B, H, N, d), patches last.
        key: (B, H, N, d).
        first_patch: Index of the first patch.

    Returns:
        (B, H, Np). Rows are visited in strips of at most ``STRIP_ELEMENTS`` entries.
    """
    batch, heads, tokens, _ = query.shape
    patch_query = query[:, :, first_patch:]
    strip = max(1, STRIP_ELEMENTS // (batch * heads * tokens))
    wide = torch.promote_types(query.dtype, torch.float32)
    total = sum(
        attention_rows(rows, key).sum(dim=2, dtype=wide) for rows in patch_query.split(strip, dim=2)
    )
    return total[..., first_patch:] / patch_query.size(2)


def fuse_attention(
    queries: Sequence[Tensor],
    keys: Sequence[Tensor],
    weights: Tensor,
    num_classes: int,
    mode: str = 'auto',
    num_registers: int = 0,
    fused_layers: Sequence[int] | None = None,
) -> FusedAttention:
    """Chooses how the fused attention is computed.

    Args:
        queries: Per layer, (B, H, N, d).
        keys: Per layer, (B, H, N, d).
        weights: (B, H, L).
        num_classes: Number of class tokens.
        mode: ``'streaming'``, ``'materialized'`` or ``'auto'``, the faster of the two: the latter
            for at most ``MATERIALIZED_TOKENS`` tokens without gradient, else the former.
        num_registers: Number of registers, between class tokens and patches.
        fused_layers: Indices of the layers whose weights are not all 0; by default all layers.

    Returns:
        The operator.

    Raises:
        WeakTrInputError: If ``mode`` is unknown.
    """
    check_choice('attention mode', mode, MODES)
    if mode == 'auto':
        learns = weights.requires_grad and torch.is_grad_enabled()
        few = queries[0].size(2) <= MATERIALIZED_TOKENS
        mode = 'materialized' if few and not learns else 'streaming'
    operator = MaterializedFusedAttention if mode == 'materialized' else StreamingFusedAttention
    return operator(queries, keys, weights, num_classes, num_registers, fused_layers)
