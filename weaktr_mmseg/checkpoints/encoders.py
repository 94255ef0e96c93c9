"""Encoders of every published layout, under the names of mmpretrain's networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from .augreg import AUGREG_ANCHOR, augreg_to_timm
from .eva02 import is_eva02, official_eva02
from .huggingface import ANCHOR, PREFIXES, huggingface_to_timm
from .layouts import ENCODERS, Layout, encoder_table, recognise
from .names import NameTable, StateDict, UnknownLayoutError

#: A parameter that only one layout has -> function to timm's names. Others may be added.
FOREIGN: dict[str, Callable[[Mapping[str, Tensor]], StateDict]] = {
    AUGREG_ANCHOR: augreg_to_timm,
    **{prefix + ANCHOR: huggingface_to_timm for prefix in PREFIXES},
}
PREFIX = 'backbone.'  # of the encoder in a network of mmpretrain or of this project
MMPRETRAIN_UNUSED = ('head.*', 'data_preprocessor.*')
#: Parameters that no published encoder has: they are trained from scratch.
FRESH = 'attention_fusion.'


def encoder_state(state: Mapping[str, Tensor]) -> StateDict:
    """Converts an encoder of any supported layout.

    Args:
        state: Parameters by their names: facebookresearch, timm, Hugging Face, the original
            ``.npz`` files, or an encoder of this project or of mmpretrain.

    Returns:
        Parameters by the names of mmpretrain's ``VisionTransformer`` or of ``WeakTrEVA02``, with
        their own position grid and patch kernel: ``cls_token`` (1, 1, E), ``pos_embed``
        (1, 1 + g * g, E). A distillation token and the fusion of heads of the CAM stage, whose
        ``C`` class tokens stay, are left out.

    Raises:
        UnknownLayoutError: If the parameters are not exactly those of an encoder.
    """
    convert = next((FOREIGN[name] for name in FOREIGN if name in state), None)
    layout = Layout.ENCODER if convert else recognise(state)
    if layout not in ENCODERS:
        raise UnknownLayoutError(
            f'is {layout.value}, expected an encoder alone (DeiT, ViT, DINOv2 or EVA-02); '
            'a whole network is loaded with load_from'
        )
    try:
        if layout is Layout.OURS_ENCODER:
            return _own_encoder(state)
        return rename_encoder(_with_one_class_token(convert(state) if convert else state))
    except UnknownLayoutError as error:
        kind = f'what {convert.__name__}() reads' if convert else layout.value
        raise UnknownLayoutError(f'looks like {kind}, but {error}') from error


def rename_encoder(state: Mapping[str, Tensor], prefix: str = '') -> StateDict:
    """Renames timm's and the official encoders, which share most names.

    Args:
        state: Parameters, nothing but those of the encoder.
        prefix: What precedes their names.

    Returns:
        The parameters by our names, without prefix.

    Raises:
        UnknownLayoutError: If the parameters are not those of a supported encoder.
    """
    if is_eva02(state):
        state = official_eva02(state)
    return encoder_table(state, prefix).prefixed(prefix, '').rename(state)


def repeat_class_token(state: Mapping[str, Tensor], count: int) -> StateDict:
    """Copies the class token and its position to every class, as the CAM stage starts.

    Args:
        state: Parameters by our names.
        count: Number of class tokens C; 0 leaves out the class token.

    Returns:
        The parameters with ``cls_token`` (1, C, E) and ``pos_embed`` (1, C + g * g, E). One that
        has C class tokens already is unchanged.

    Raises:
        UnknownLayoutError: If the checkpoint has some other number of class tokens.
    """
    token, position = state['cls_token'], state['pos_embed']
    found = token.size(1)
    if found == count:
        return dict(state)
    if found != 1:
        expected = '1' if count == 1 else f'1 or {count}'
        raise UnknownLayoutError(
            f'cls_token: expected {expected} class tokens, got {found}, those of a CAM stage '
            '(pipeline.retrain_from_cam_vit=True starts retraining from one)'
        )
    repeated = position[:, :1].repeat(1, count, 1)
    return {
        **state,
        'cls_token': token.repeat(1, count, 1),
        'pos_embed': torch.cat((repeated, position[:, 1:]), dim=1),
    }


def resize_kernel(kernel: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes a patch kernel bicubically.

    Args:
        kernel: Weight of the patch embedding, (E, 3, P, P).
        size: Wanted sides in pixels.

    Returns:
        (E, 3, *size); the given tensor if it has that size.
    """
    if tuple(kernel.shape[-2:]) == tuple(size):
        return kernel
    resized = F.interpolate(kernel.float(), size, mode='bicubic', align_corners=False)
    return resized.to(kernel.dtype)


def _own_encoder(state: Mapping[str, Tensor]) -> StateDict:
    """Takes our names off their prefix; a CAM stage has a fusion, and may lack the final norm."""
    prefix = PREFIX if f'{PREFIX}pos_embed' in state else ''
    pairs = encoder_table(state, prefix).pairs
    if f'{prefix}ln1.weight' not in state:
        pairs = tuple(pair for pair in pairs if not pair[1].startswith('ln1.'))
    unused = (*MMPRETRAIN_UNUSED, f'{prefix}{FRESH}*')
    return NameTable(tuple((prefix + ours, ours) for _, ours in pairs), unused).rename(state)


def _with_one_class_token(state: Mapping[str, Tensor]) -> StateDict:
    """Leaves the distillation token out; gives the class token a position where it has none.

    timm's networks with register tokens add the position of the class token to the token.
    """
    state = dict(state)
    position = state.get('pos_embed')
    if position is None:
        return state
    if state.pop('dist_token', None) is not None:
        state['pos_embed'] = torch.cat((position[:, :1], position[:, 2:]), dim=1)
    elif 'reg_token' in state and math.isqrt(position.size(1)) ** 2 == position.size(1):
        state['pos_embed'] = F.pad(position, (0, 0, 1, 0))
    return state
