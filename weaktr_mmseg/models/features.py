"""What encoders of the CAM stage hand to its head and its losses."""

from __future__ import annotations

from typing import NamedTuple

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
