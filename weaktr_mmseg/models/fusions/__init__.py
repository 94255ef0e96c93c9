"""Fusion of the attention of all heads, and the fused attention as an operator."""

from .adaptive_fusion import AdaptiveAttentionFusion
from .fused_attention import FusedAttention, fuse_attention

__all__ = [
    'AdaptiveAttentionFusion',
    'FusedAttention',
    'fuse_attention',
]
