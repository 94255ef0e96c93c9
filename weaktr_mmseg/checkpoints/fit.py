"""Encoders of any size made to fit the network that they start."""

from __future__ import annotations

from collections.abc import Mapping

from mmpretrain.models.backbones import VisionTransformer
from torch import Tensor

from ..utils.errors import listing
from .encoders import FRESH, repeat_class_token, resize_kernel
from .names import StateDict, UnknownLayoutError, count_layers

FINAL_NORM = 'ln1.'
KERNEL = 'patch_embed.projection.weight'
HINTS = {
    '.gamma': 'LayerScale of DINOv2: model.backbone.layer_scale_init_value',
    FINAL_NORM: 'the final norm: model.backbone.final_norm',
    'register_tokens': 'register tokens: model.backbone.num_registers',
    '.q_bias': 'EVA-02: model.backbone.type is WeakTrEVA02',
    'mlp.norm.': 'the norm inside the MLP of EVA-02 B and L: model.backbone.sub_ln',
}


def fit_encoder(state: Mapping[str, Tensor], backbone: VisionTransformer) -> StateDict:
    """Makes an encoder fit a network, accounting for every parameter on either side.

    Class token and position are repeated for every class token of the network, and the patch
    kernel is resized bicubically. The position grid keeps its size: the network resizes it when it
    loads it, by its ``interpolate_mode``. A final norm that the network does not have is left out;
    one that the checkpoint does not have, that of a CAM stage, stays as the network has it.

    Args:
        state: Parameters, see :func:`encoder_state`.
        backbone: ``WeakTrViT``, ``WeakTrSegmenterViT``, ``WeakTrEVA02`` or mmpretrain's
            ``VisionTransformer``.

    Returns:
        Every parameter of the network but those of the attention fusion, or such a norm.

    Raises:
        UnknownLayoutError: If the two differ in width, depth or parameters.
    """
    own_norm = not any(name.startswith(FINAL_NORM) for name in state)
    fresh = (FRESH, FINAL_NORM) if own_norm else FRESH
    wanted = {
        name: tensor.shape
        for name, tensor in backbone.state_dict().items()
        if not name.startswith(fresh)
    }
    if KERNEL not in wanted:
        raise UnknownLayoutError(
            f'expected WeakTrViT, WeakTrSegmenterViT or WeakTrEVA02 to start from it, got '
            f'{type(backbone).__name__}; an encoder of timm has the option pretrained'
        )
    _compare_size(state, wanted)
    state = repeat_class_token(state, wanted.get('cls_token', (1, 0))[1])
    kernel = wanted[KERNEL]
    state[KERNEL] = resize_kernel(state[KERNEL], tuple(kernel[-2:]))
    if not any(name.startswith(FINAL_NORM) for name in wanted):
        state = {name: value for name, value in state.items() if not name.startswith(FINAL_NORM)}
    _compare_names(state, wanted)
    for name, shape in wanted.items():
        found = state[name].shape
        if found != shape and name != 'pos_embed':
            raise UnknownLayoutError(f'{name}: expected {tuple(shape)}, got {tuple(found)}')
    return state


def _compare_size(state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> None:
    found = state[KERNEL].size(0), count_layers(state, 'layers.')
    expected = wanted[KERNEL][0], count_layers(wanted, 'layers.')
    if found != expected:
        raise UnknownLayoutError(
            f'expected an encoder of width {expected[0]} with {expected[1]} layers, '
            f'got width {found[0]} with {found[1]} layers; model.backbone.arch decides'
        )


def _compare_names(state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> None:
    missing = [name for name in wanted if name not in state]
    surplus = [name for name in state if name not in wanted]
    problems = [
        f'{title} {listing(names)}'
        for title, names in (
            ('the checkpoint lacks', missing),
            ('the network has no place for', surplus),
        )
        if names
    ]
    if problems:
        names = ' '.join(missing + surplus)
        hints = [hint for key, hint in HINTS.items() if key in names]
        raise UnknownLayoutError('; '.join(problems) + ''.join(f' ({hint})' for hint in hints))
