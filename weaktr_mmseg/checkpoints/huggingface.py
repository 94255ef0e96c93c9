"""ViT, DeiT and DINOv2 as Hugging Face's transformers name their parameters, to timm's names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .names import QUERY_KEY_VALUE, NameTable, StateDict, affine, join

ANCHOR = 'embeddings.patch_embeddings.projection.weight'
PREFIXES = ('', 'vit.', 'deit.', 'dinov2.', 'dinov2_with_registers.')

_LAYER = 'encoder.layer.*'
_COMMON = (
    ('embeddings.cls_token', 'cls_token'),
    ('embeddings.position_embeddings', 'pos_embed'),
    *affine('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
    *affine(f'{_LAYER}.attention.attention.query', 'blocks.*.attn.query'),
    *affine(f'{_LAYER}.attention.attention.key', 'blocks.*.attn.key'),
    *affine(f'{_LAYER}.attention.attention.value', 'blocks.*.attn.value'),
    *affine(f'{_LAYER}.attention.output.dense', 'blocks.*.attn.proj'),
    *affine('layernorm', 'norm'),
)
_UNUSED = ('pooler.*', 'embeddings.mask_token')
#: Classifiers stand beside the encoder, not below its prefix.
CLASSIFIERS = ('classifier.*', 'cls_classifier.*', 'distillation_classifier.*')

VIT = NameTable(
    (
        *_COMMON,
        *affine(f'{_LAYER}.layernorm_before', 'blocks.*.norm1'),
        *affine(f'{_LAYER}.layernorm_after', 'blocks.*.norm2'),
        *affine(f'{_LAYER}.intermediate.dense', 'blocks.*.mlp.fc1'),
        *affine(f'{_LAYER}.output.dense', 'blocks.*.mlp.fc2'),
    ),
    _UNUSED,
)

DINOV2 = NameTable(
    (
        *_COMMON,
        *affine(f'{_LAYER}.norm1', 'blocks.*.norm1'),
        *affine(f'{_LAYER}.norm2', 'blocks.*.norm2'),
        *affine(f'{_LAYER}.mlp.fc1', 'blocks.*.mlp.fc1'),
        *affine(f'{_LAYER}.mlp.fc2', 'blocks.*.mlp.fc2'),
        (f'{_LAYER}.layer_scale1.lambda1', 'blocks.*.ls1.gamma'),
        (f'{_LAYER}.layer_scale2.lambda1', 'blocks.*.ls2.gamma'),
    ),
    _UNUSED,
)

#: Parameters of some models only -> their timm names.
OPTIONAL = {
    'embeddings.distillation_token': 'dist_token',
    'embeddings.register_tokens': 'reg_token',
}


def huggingface_to_timm(state: Mapping[str, Tensor]) -> StateDict:
    """Converts a ViT, DeiT or DINOv2 of Hugging Face to the names of timm.

    Args:
        state: Parameters by their names, with or without the name of the model in front.

    Returns:
        Parameters by timm's names.

    Raises:
        UnknownLayoutError: If a parameter is missing or unknown.
    """
    prefix = next(prefix for prefix in PREFIXES if prefix + ANCHOR in state)
    table = DINOV2 if any('.layer_scale1.' in name for name in state) else VIT
    present = tuple(pair for pair in OPTIONAL.items() if prefix + pair[0] in state)
    table = NameTable((*table.pairs, *present), table.unused).prefixed(prefix, '')
    renamed = NameTable(table.pairs, (*table.unused, *CLASSIFIERS)).rename(state)
    return join(renamed, QUERY_KEY_VALUE, '.qkv.')
