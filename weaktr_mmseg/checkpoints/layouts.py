"""Parameter names of every supported checkpoint, and how they are distinguished."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ..utils.errors import listing
from . import huggingface
from .augreg import AUGREG_ANCHOR
from .names import NameTable, UnknownLayoutError, affine


class Layout(Enum):
    """What a checkpoint is; the value describes it to a user."""

    AUTHORS_CAM = "the authors' CAM stage"
    AUTHORS_SEGMENTER = "the authors' segmentation stage"
    OURS_CAM = 'the CAM stage of this project'
    OURS_SEGMENTER = 'the segmentation stage of this project'
    AUGREG_NPZ = 'an AugReg ViT as the original .npz'
    ENCODER = 'an ImageNet encoder (DeiT, AugReg ViT, DINOv2 or EVA-02)'
    HUGGING_FACE = 'a ViT, DeiT or DINOv2 of Hugging Face'
    OURS_ENCODER = 'an encoder of this project or of mmpretrain'


#: Layouts without decoder or CAM head.
ENCODERS = (
    Layout.AUGREG_NPZ,
    Layout.ENCODER,
    Layout.HUGGING_FACE,
    Layout.OURS_ENCODER,
)


SIGNATURES = (
    (AUGREG_ANCHOR, Layout.AUGREG_NPZ),
    ('adaptive_attention_fusion.attn_head_ffn.0.weight', Layout.AUTHORS_CAM),
    ('decoder.cls_emb', Layout.AUTHORS_SEGMENTER),
    ('cam_head.classifier.weight', Layout.OURS_CAM),
    ('decode_head.cls_emb', Layout.OURS_SEGMENTER),
    ('patch_embed.proj.weight', Layout.ENCODER),
    ('backbone.patch_embed.projection.weight', Layout.OURS_ENCODER),
    ('patch_embed.projection.weight', Layout.OURS_ENCODER),
    *((prefix + huggingface.ANCHOR, Layout.HUGGING_FACE) for prefix in huggingface.PREFIXES),
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
#: Carries nothing that an encoder of another task needs: docs/weights.md names these too.
_CLASSIFIER = ('head.*', 'head_dist.*', 'pre_logits.*')

#: DeiT by facebookresearch and timm's ViT, with the final norm.
VIT = NameTable((*_STEM, *_BLOCKS, *affine('norm', 'ln1')), _CLASSIFIER)

#: The same encoder without the final norm, which the CAM stage does not use.
VIT_UNNORMED = NameTable((*_STEM, *_BLOCKS), (*_CLASSIFIER, 'norm.*'))

_LAYER_SCALE = (
    ('blocks.*.ls1.gamma', 'layers.*.attn.gamma1.weight'),
    ('blocks.*.ls2.gamma', 'layers.*.ffn.gamma2.weight'),
)
_DINOV2_UNUSED = (*_CLASSIFIER, 'mask_token')

_REGISTERS = ('register_tokens', 'reg_token')  # official, timm

_EVA02 = (
    *_STEM,
    *affine('blocks.*.norm1', 'layers.*.norm1'),
    ('blocks.*.attn.qkv.weight', 'layers.*.attn.qkv.weight'),
    ('blocks.*.attn.q_bias', 'layers.*.attn.q_bias'),
    ('blocks.*.attn.v_bias', 'layers.*.attn.v_bias'),
    *affine('blocks.*.attn.proj', 'layers.*.attn.proj'),
    *affine('blocks.*.norm2', 'layers.*.norm2'),
    *affine('blocks.*.mlp.w12', 'layers.*.mlp.w12'),
    *affine('blocks.*.mlp.w3', 'layers.*.mlp.w3'),
)
_EVA02_UNUSED = (
    *_CLASSIFIER,
    'lm_head.*',
    'mask_token',
    '*rope.freqs_cos',  # computed, and compared when they are read
    '*rope.freqs_sin',
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
    """Tells what a checkpoint is from the names of its parameters.

    Args:
        names: Parameter names.

    Returns:
        The layout.

    Raises:
        UnknownLayoutError: If no layout has such names.
    """
    names = list(names)
    for signature, layout in SIGNATURES:
        if signature in names:
            return layout
    raise UnknownLayoutError(
        'unknown layout: expected DeiT, ViT, DINOv2 or EVA-02 as facebookresearch, timm, Hugging '
        "Face or Google name their parameters, or a network of this project or of WeakTr's "
        f'authors; first keys: {listing(names)}'
    )


def encoder_table(names: Iterable[str], prefix: str = '') -> NameTable:
    """Returns the names of an encoder: a plain ViT, DINOv2 or EVA-02.

    Args:
        names: Parameter names of the checkpoint, theirs or ours; EVA-02 as
            :func:`official_eva02` spells it.
        prefix: What precedes the encoder's names.

    Returns:
        The table without prefix.
    """
    present = {name.removeprefix(prefix) for name in names}
    if present & {'blocks.0.attn.q_bias', 'layers.0.attn.q_bias'}:
        norm = 'fc_norm' if 'fc_norm.weight' in present else 'norm'
        pairs = (*_EVA02, *affine(norm, 'ln1'))
        if present & {'blocks.0.mlp.ffn_ln.weight', 'layers.0.mlp.norm.weight'}:
            pairs = (*pairs, *affine('blocks.*.mlp.ffn_ln', 'layers.*.mlp.norm'))
        return NameTable(pairs, _EVA02_UNUSED)
    if not present & {'blocks.0.ls1.gamma', 'layers.0.attn.gamma1.weight'}:
        return VIT
    registers = next((name for name in _REGISTERS if name in present), None)
    extra = () if registers is None else ((registers, 'register_tokens'),)
    return NameTable((*VIT.pairs, *_LAYER_SCALE, *extra), _DINOV2_UNUSED)
