"""Parameter names of every supported checkpoint, and how one is told from another."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from .names import NameTable, UnknownLayoutError, affine


class Layout(Enum):
    """What a checkpoint is; the value describes it to a user."""

    AUTHORS_CAM = "the authors' CAM stage"
    AUTHORS_SEGMENTER = "the authors' segmentation stage"
    OURS_CAM = 'the CAM stage of this project'
    OURS_SEGMENTER = 'the segmentation stage of this project'
    AUGREG_NPZ = 'an AugReg ViT as the original .npz'
    ENCODER = 'an ImageNet encoder (DeiT, AugReg ViT, DINOv2 or EVA-02)'


SIGNATURES = (
    ('embedding/kernel', Layout.AUGREG_NPZ),
    ('adaptive_attention_fusion.attn_head_ffn.0.weight', Layout.AUTHORS_CAM),
    ('decoder.cls_emb', Layout.AUTHORS_SEGMENTER),
    ('cam_head.classifier.weight', Layout.OURS_CAM),
    ('decode_head.cls_emb', Layout.OURS_SEGMENTER),
    ('patch_embed.proj.weight', Layout.ENCODER),
)

_STEM = (
    ('cls_token', 'cls_token'),
    ('pos_embed', 'pos_embed'),
    *affine('patch_embed.proj', 'patch_embed.projection'),
)
_MLP = (
    *affine('blocks.*.mlp.fc1', 'layers.*.ffn.layers.0.0'),
    *affine('blocks.*.mlp.fc2', 'layers.*.ffn.layers.1'),
)
_BLOCKS = (
    *affine('blocks.*.norm1', 'layers.*.ln1'),
    *affine('blocks.*.attn.qkv', 'layers.*.attn.qkv'),
    *affine('blocks.*.attn.proj', 'layers.*.attn.proj'),
    *affine('blocks.*.norm2', 'layers.*.ln2'),
    *_MLP,
)
_CLASSIFIER = ('head.*', 'pre_logits.*')

#: DeiT by facebookresearch and timm's ViT, with the final norm.
VIT = NameTable((*_STEM, *_BLOCKS, *affine('norm', 'ln1')), _CLASSIFIER)

#: The same encoder without the final norm, which the CAM stage does not use.
VIT_UNNORMED = NameTable((*_STEM, *_BLOCKS), (*_CLASSIFIER, 'norm.*'))

DINOV2 = NameTable(
    (
        *VIT.pairs,
        ('blocks.*.ls1.gamma', 'layers.*.attn.gamma1.weight'),
        ('blocks.*.ls2.gamma', 'layers.*.ffn.gamma2.weight'),
    ),
    (*_CLASSIFIER, 'mask_token'),
)


def _eva02(first: str, last: str, norm: str) -> NameTable:
    """EVA-02 with the given names of the two MLP layers and the final norm."""
    return NameTable(
        (
            *_STEM,
            *affine('blocks.*.norm1', 'layers.*.norm1'),
            ('blocks.*.attn.qkv.weight', 'layers.*.attn.qkv.weight'),
            ('blocks.*.attn.q_bias', 'layers.*.attn.q_bias'),
            ('blocks.*.attn.v_bias', 'layers.*.attn.v_bias'),
            *affine('blocks.*.attn.proj', 'layers.*.attn.proj'),
            *affine('blocks.*.norm2', 'layers.*.norm2'),
            *affine(f'blocks.*.mlp.{first}', 'layers.*.mlp.w12'),
            *affine(f'blocks.*.mlp.{last}', 'layers.*.mlp.w3'),
            *affine(norm, 'ln1'),
        ),
        (*_CLASSIFIER, 'lm_head.*', 'mask_token', '*rope.freqs_cos', '*rope.freqs_sin'),
    )


DECODER = NameTable(
    (
        ('cls_emb', 'cls_emb'),
        ('proj_patch', 'patch_proj.weight'),
        ('proj_classes', 'classes_proj.weight'),
        *affine('proj_dec', 'dec_proj'),
        *affine('decoder_norm', 'decoder_norm'),
        *affine('mask_norm', 'mask_norm'),
        *affine('blocks.*.norm1', 'layers.*.ln1'),
        ('blocks.*.attn.qkv.weight', 'layers.*.attn.attn.in_proj_weight'),
        ('blocks.*.attn.qkv.bias', 'layers.*.attn.attn.in_proj_bias'),
        *affine('blocks.*.attn.proj', 'layers.*.attn.attn.out_proj'),
        *affine('blocks.*.norm2', 'layers.*.ln2'),
        *_MLP,
    )
)

#: Matrices that the authors' decoder multiplies from the right.
TRANSPOSED = ('decode_head.patch_proj.weight', 'decode_head.classes_proj.weight')

FUSION = NameTable(
    (
        *affine('attn_feat_ffn.0', 'feature_ffn.0'),
        *affine('attn_feat_ffn.1', 'feature_ffn.1'),
        ('attn_head_ffn.0.weight', 'head_ffn.0.weight'),
        ('attn_head_ffn.2.weight', 'head_ffn.2.weight'),
    )
)

CAM_STAGE = (
    VIT_UNNORMED.prefixed('', 'backbone.')
    + FUSION.prefixed('adaptive_attention_fusion.', 'backbone.attention_fusion.')
    + NameTable(affine('head', 'cam_head.classifier'))
)

#: Dimension of the classes in our parameters. The position embeddings hold the patches behind it.
CAM_CLASS_DIMS = {
    'cam_head.classifier.bias': 0,
    'cam_head.classifier.weight': 0,
    'backbone.cls_token': 1,
    'backbone.pos_embed': 1,
}
SEGMENTER_CLASS_DIMS = {
    'decode_head.cls_emb': 1,
    'decode_head.mask_norm.weight': 0,
    'decode_head.mask_norm.bias': 0,
}


def recognise(names: Iterable[str]) -> Layout:
    """Tell what a checkpoint is from the names of its parameters.

    Args:
        names: parameter names.

    Returns:
        The layout.

    Raises:
        UnknownLayoutError: no layout has such names.
    """
    names = list(names)
    for signature, layout in SIGNATURES:
        if signature in names:
            return layout
    shown = ', '.join(names[:5])
    raise UnknownLayoutError(
        f'unknown layout: none of {[key for key, _ in SIGNATURES]} is there; first keys: {shown}'
    )


def encoder_table(names: Iterable[str], prefix: str = '') -> NameTable:
    """Return the names of an encoder: a plain ViT, DINOv2 or EVA-02.

    Args:
        names: parameter names of the checkpoint.
        prefix: what precedes the encoder's names.

    Returns:
        The table without prefix.
    """
    names = set(names)
    block = f'{prefix}blocks.0.'
    if f'{block}ls1.gamma' in names or f'{prefix}layers.0.attn.gamma1.weight' in names:
        return DINOV2
    if f'{block}attn.q_bias' in names or f'{prefix}layers.0.attn.q_bias' in names:
        is_timm = f'{block}mlp.fc1.weight' in names
        norm = 'fc_norm' if f'{prefix}fc_norm.weight' in names else 'norm'
        return _eva02(*(('fc1', 'fc2') if is_timm else ('w12', 'w3')), norm)
    return VIT
