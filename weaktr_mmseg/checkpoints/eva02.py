"""EVA-02 in its several spellings, to that of the smaller official models."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ..models.backbones.rotary_attention import rotary_angles
from .names import QUERY_KEY_VALUE, StateDict, UnknownLayoutError, join

#: What the base and large models, and timm, call differently.
_SPELLINGS = (
    (r'\.attn\.([qv])_proj\.bias$', r'.attn.\1_bias'),
    (r'\.attn\.q_proj\.weight$', '.attn.query.weight'),
    (r'\.attn\.k_proj\.weight$', '.attn.key.weight'),
    (r'\.attn\.v_proj\.weight$', '.attn.value.weight'),
    (r'\.mlp\.fc1_g\.', '.mlp.w1.'),
    (r'\.mlp\.fc1_x\.', '.mlp.w2.'),
    (r'\.mlp\.fc1\.', '.mlp.w12.'),
    (r'\.mlp\.fc2\.', '.mlp.w3.'),
    (r'\.mlp\.norm\.', '.mlp.ffn_ln.'),
)


def is_eva02(state: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint has the queries' bias of EVA-02 apart from the keys'."""
    return any(re.search(r'\bblocks\.0\.attn\.(q_bias|q_proj\.bias)$', name) for name in state)


def official_eva02(state: Mapping[str, Tensor]) -> StateDict:
    """Brings EVA-02 of any size, official or timm's, to one set of names.

    Args:
        state: Parameters by their names.

    Returns:
        Parameters with ``attn.qkv``, ``attn.q_bias``, ``attn.v_bias``, ``mlp.w12`` (gate first),
        ``mlp.w3`` and, in the larger models, ``mlp.ffn_ln``.

    Raises:
        UnknownLayoutError: If one of several parts is missing, or rotary tables are not those
            that the encoder computes.
    """
    _check_rotary_tables(state)
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in _SPELLINGS:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return join(join(renamed, QUERY_KEY_VALUE, '.qkv.'), ('.mlp.w1.', '.mlp.w2.'), '.mlp.w12.')


def rotary_tables(grid_side: int, head_dims: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of a square grid's rotary angles, each (grid_side ** 2, head_dims)."""
    angles = rotary_angles((grid_side, grid_side), head_dims)
    return angles.cos(), angles.sin()


def _check_rotary_tables(state: Mapping[str, Tensor]) -> None:
    for name, table in state.items():
        if not name.endswith('rope.freqs_cos'):
            continue
        expected = rotary_tables(math.isqrt(len(table)), table.size(1))[0]
        if expected.shape != table.shape or not torch.allclose(expected, table.float(), atol=1e-3):
            raise UnknownLayoutError(
                f'{name}: the encoder was trained with other rotary positions than those of '
                'EVA-02 for 16 x 16 pre-training patches'
            )
