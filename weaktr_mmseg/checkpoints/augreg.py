"""AugReg checkpoints as published, in Flax's layout, to timm's names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .names import QUERY_KEY_VALUE, NameTable, StateDict, join

AUGREG_ANCHOR = 'embedding/kernel'

_LAYER = 'Transformer/encoderblock_*'
_ATTENTION = f'{_LAYER}/MultiHeadDotProductAttention_1'


def _dense(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    return (f'{theirs}/kernel', f'{ours}.weight'), (f'{theirs}/bias', f'{ours}.bias')


def _norm(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    return (f'{theirs}/scale', f'{ours}.weight'), (f'{theirs}/bias', f'{ours}.bias')


AUGREG = NameTable(
    (
        ('cls', 'cls_token'),
        ('Transformer/posembed_input/pos_embedding', 'pos_embed'),
        *_dense('embedding', 'patch_embed.proj'),
        *_norm('Transformer/encoder_norm', 'norm'),
        *_norm(f'{_LAYER}/LayerNorm_0', 'blocks.*.norm1'),
        *_dense(f'{_ATTENTION}/query', 'blocks.*.attn.query'),
        *_dense(f'{_ATTENTION}/key', 'blocks.*.attn.key'),
        *_dense(f'{_ATTENTION}/value', 'blocks.*.attn.value'),
        *_dense(f'{_ATTENTION}/out', 'blocks.*.attn.proj'),
        *_norm(f'{_LAYER}/LayerNorm_2', 'blocks.*.norm2'),
        *_dense(f'{_LAYER}/MlpBlock_3/Dense_0', 'blocks.*.mlp.fc1'),
        *_dense(f'{_LAYER}/MlpBlock_3/Dense_1', 'blocks.*.mlp.fc2'),
    ),
    ('head/*', 'pre_logits/*'),
)


def augreg_to_timm(state: Mapping[str, Tensor]) -> StateDict:
    """Converts a Flax ViT to the names and the memory layout of timm.

    Args:
        state: Arrays by their Flax names.

    Returns:
        Parameters by timm's names.

    Raises:
        UnknownLayoutError: If an array is missing or unknown.
    """
    renamed = AUGREG.rename(state)
    converted = {name: _reorder(name, tensor) for name, tensor in renamed.items()}
    return join(converted, QUERY_KEY_VALUE, '.qkv.')


def _reorder(name: str, tensor: Tensor) -> Tensor:
    """Brings one array to PyTorch's order: outputs first, heads flattened."""
    if name == 'patch_embed.proj.weight':
        return tensor.permute(3, 2, 0, 1)  # (P, P, 3, E) -> (E, 3, P, P)
    if name.endswith(('query.weight', 'key.weight', 'value.weight')):
        return tensor.flatten(1).T  # (E, H, d) -> (H * d, E)
    if name.endswith(('query.bias', 'key.bias', 'value.bias')):
        return tensor.flatten()  # (H, d) -> (H * d,)
    if name.endswith('attn.proj.weight'):
        return tensor.flatten(0, 1).T  # (H, d, E) -> (E, H * d)
    if name.endswith(('fc1.weight', 'fc2.weight')):
        return tensor.T
    return tensor
