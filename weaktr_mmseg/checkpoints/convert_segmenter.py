"""Segmentation stage: the authors' checkpoints from and to ours."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from .coco_ids import to_contiguous, to_original
from .encoders import rename_encoder, resize_kernel
from .eva02 import rotary_tables
from .fit import KERNEL
from .layouts import DECODER, SEGMENTER_CLASS_DIMS, TRANSPOSED, encoder_table
from .names import StateDict

PATCH_SIZE = 16  # of the authors' networks
EVA02_HEAD_DIMS = 64  # in every published size
DECODER_TABLE = DECODER.prefixed('decoder.', 'decode_head.')


def import_segmenter(state: Mapping[str, Tensor], keep_coco_rows: bool = False) -> StateDict:
    """Converts an authors' segmentation checkpoint; 91 COCO classes become 81.

    Args:
        state: Parameters by the authors' names, encoder ViT, DINOv2 or EVA-02.
        keep_coco_rows: Keep all 91, for a head with ``original_coco_ids=True``.

    Returns:
        Parameters of mmseg's ``EncoderDecoder`` with our decode head.

    Raises:
        UnknownLayoutError: If a parameter is missing or unknown.
        ValueError: If rotary tables of EVA-02 are not those that the encoder computes.
    """
    decoder, encoder = _split(state, 'decoder.')
    converted = rename_encoder(encoder, 'encoder.')
    converted[KERNEL] = resize_kernel(converted[KERNEL], (PATCH_SIZE, PATCH_SIZE))
    converted = {f'backbone.{name}': tensor for name, tensor in converted.items()}
    converted.update(_transpose(DECODER_TABLE.rename(decoder)))
    return converted if keep_coco_rows else to_contiguous(converted, SEGMENTER_CLASS_DIMS)


def export_segmenter(state: Mapping[str, Tensor]) -> StateDict:
    """Converts our segmentation checkpoint to the authors' layout; 81 COCO classes become 91.

    Args:
        state: Parameters of ``EncoderDecoder`` with our decode head.

    Returns:
        Parameters by the authors' names, rotary tables of EVA-02 included.

    Raises:
        UnknownLayoutError: If a parameter is missing or unknown.
    """
    decoder, encoder = _split(to_original(state, SEGMENTER_CLASS_DIMS), 'decode_head.')
    table = encoder_table(encoder, 'backbone.').prefixed('encoder.', 'backbone.')
    exported = table.inverse().rename(encoder)
    exported.update(DECODER_TABLE.inverse().rename(_transpose(decoder)))
    if 'encoder.blocks.0.attn.q_bias' in exported:
        exported.update(_rotary_buffers(exported))
    return exported


def _split(state: Mapping[str, Tensor], prefix: str) -> tuple[StateDict, StateDict]:
    """Separates the parameters whose names start with ``prefix`` from the others."""
    inside = {name: tensor for name, tensor in state.items() if name.startswith(prefix)}
    return inside, {name: tensor for name, tensor in state.items() if name not in inside}


def _transpose(state: Mapping[str, Tensor]) -> StateDict:
    return {name: value.T if name in TRANSPOSED else value for name, value in state.items()}


def _rotary_buffers(exported: Mapping[str, Tensor]) -> StateDict:
    """Tables that the authors' EVA-02 keeps in every layer and at the top."""
    depth = sum(name.endswith('.attn.q_bias') for name in exported)
    side = math.isqrt(exported['encoder.pos_embed'].size(1) - 1)
    cos, sin = rotary_tables(side, EVA02_HEAD_DIMS)
    places = ['encoder.rope', *(f'encoder.blocks.{layer}.attn.rope' for layer in range(depth))]
    return {
        f'{place}.freqs_{name}': table
        for place in places
        for name, table in (('cos', cos), ('sin', sin))
    }
