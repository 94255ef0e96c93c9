"""Encoders: ImageNet checkpoints and the encoder part of segmentation checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.backbones.rotary_attention import rotary_angles
from .layouts import VIT_UNNORMED, encoder_table
from .names import StateDict

PATCH_SIZE = 16


def convert_encoder(state: Mapping[str, Tensor], prefix: str = '') -> StateDict:
    """Convert an encoder of the segmentation stage.

    The position grid keeps its size; the model resizes it bilinearly when it loads it. A patch
    kernel of another size, 14 px in DINOv2 and EVA-02, is resized to 16 px.

    Args:
        state: parameters, nothing but those of the encoder.
        prefix: what precedes their names.

    Returns:
        The parameters by our names, ``backbone.`` first.

    Raises:
        UnknownLayoutError: the parameters are not those of a supported encoder.
        ValueError: rotary tables of EVA-02 are not those that the encoder computes.
    """
    _check_rotary_tables(state)
    converted = encoder_table(state, prefix).prefixed(prefix, 'backbone.').rename(state)
    kernel = 'backbone.patch_embed.projection.weight'
    converted[kernel] = resize_kernel(converted[kernel], PATCH_SIZE)
    return converted


def initialise_cam_stage(state: Mapping[str, Tensor], num_classes: int) -> StateDict:
    """Convert a ViT for the start of the CAM stage.

    The class token and its position embedding are repeated for every class, and the final norm,
    which that stage does not have, is left out.

    Args:
        state: parameters of DeiT or of timm's ViT.
        num_classes: number of foreground classes C.

    Returns:
        The parameters by our names, ``backbone.`` first, with ``cls_token`` (1, C, E) and
        ``pos_embed`` (1, C + g * g, E).

    Raises:
        UnknownLayoutError: the parameters are not those of a plain ViT.
        ValueError: ``num_classes`` is below 1.
    """
    if num_classes < 1:
        raise ValueError(f'the number of classes must be at least 1, but got {num_classes}')
    converted = VIT_UNNORMED.prefixed('', 'backbone.').rename(state)
    token, position = converted['backbone.cls_token'], converted['backbone.pos_embed']
    converted['backbone.cls_token'] = token.repeat(1, num_classes, 1)
    converted['backbone.pos_embed'] = torch.cat(
        (position[:, :1].repeat(1, num_classes, 1), position[:, 1:]), dim=1
    )
    return converted


def resize_kernel(kernel: Tensor, size: int) -> Tensor:
    """Resize a patch kernel bicubically.

    Args:
        kernel: weight of the patch embedding, (E, 3, P, P).
        size: wanted side in pixels.

    Returns:
        (E, 3, size, size); the given tensor if it has that size.
    """
    if tuple(kernel.shape[-2:]) == (size, size):
        return kernel
    resized = F.interpolate(kernel.float(), (size, size), mode='bicubic', align_corners=False)
    return resized.to(kernel.dtype)


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
            raise ValueError(
                f'{name}: the encoder was trained with other rotary positions than those of '
                'EVA-02 for 16 x 16 pre-training patches'
            )
