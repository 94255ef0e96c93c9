"""Fusion of the attention of all heads, and the fused attention as an operator."""

from .adaptive_fusion import AdaptiveAttentionFusion
from .fused_attention import FusedAttention, fuse_attention
from .head_fusion import HeadFusion, build_fusion
from .static_fusion import WeakTrStaticFusion
from .uniform_fusion import WeakTrUniformFusion

__all__ = [
    'AdaptiveAttentionFusion',
    'FusedAttention',
    'HeadFusion',
    'WeakTrStaticFusion',
    'WeakTrUniformFusion',
    'build_fusion',
    'fuse_attention',
]
