"""What encoders of the CAM stage hand to its head and its losses."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .fusions.fused_attention import FusedAttention


class WeakTrFeatures(NamedTuple):
    """What the backbone gives to the CAM head.

    Attributes:
        class_tokens: Class tokens of the last block, (B, C, E).
        patch_map: Patch tokens of the last block as a map, (B, E, h, w).
        attention: Fused attention of all heads as an operator.
    """

    class_tokens: Tensor
    patch_map: Tensor
    attention: FusedAttention


class WeakTrEncoded(NamedTuple):
    """What the backbone computes before the heads are fused; constant where it is frozen.

    Attributes:
        class_tokens: Class tokens of the last block, (B, C, E).
        patch_map: Patch tokens of the last block as a map, (B, E, h, w).
        queries: Of every layer, ``L`` tensors (B, H, N, d).
        keys: Of every layer, ``L`` tensors (B, H, N, d).
        pooled: What the fusion pooled of every layer, ``L`` tensors of length ``B``.
    """

    class_tokens: Tensor
    patch_map: Tensor
    queries: list[Tensor]
    keys: list[Tensor]
    pooled: list[Tensor]

    def take(self, index: Tensor) -> WeakTrEncoded:
        """The images of an index, int64 (b,)."""
        return WeakTrEncoded(
            *([t[index] for t in part] if isinstance(part, list) else part[index] for part in self)
        )

    @staticmethod
    def join(parts: list[WeakTrEncoded]) -> WeakTrEncoded:
        """Batches one after another."""
        return WeakTrEncoded(
            *(
                [torch.cat(layer) for layer in zip(*values)]
                if isinstance(values[0], list)
                else torch.cat(values)
                for values in zip(*parts)
            )
        )
