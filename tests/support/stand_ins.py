"""Tiny checkpoints in exactly the layouts of the published ones, as tests/data lists them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints.eva02 import rotary_tables

LAYOUTS = json.loads(
    (Path(__file__).parents[1] / 'data/encoder_layouts.json').read_text(encoding='utf-8')
)
WIDTH, HEADS, MLP, DEPTH = 24, 3, 40, 2
CONTAINERS = ('.pth', '.npz', '.safetensors')
STAGES = ('cam', 'retrain', 'mmpretrain')
ARCH = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=HEADS, feedforward_channels=MLP)

#: Layout of every encoder that can be named.
OF_NAME = {
    'deit-s': 'deit',
    'deit-b': 'deit',
    'vit-s-augreg': 'augreg',
    'vit-b-augreg': 'augreg',
    'dinov2-s': 'dinov2',
    'dinov2-b': 'dinov2',
    'dinov2-s-reg': 'dinov2_registers',
    'dinov2-b-reg': 'dinov2_registers',
    'eva02-s': 'eva02_small',
    'eva02-b': 'eva02_base',
}


def stand_in(
    layout: str,
    grid: int = 4,
    patch: int = 16,
    width: int = WIDTH,
    mlp: int = MLP,
    heads: int = HEADS,
) -> dict:
    """Random parameters by the names and with the shapes of a layout; rotary tables are right."""
    generator = torch.Generator().manual_seed(0)
    sizes = dict(E=width, M=mlp, P=patch, H=heads, D=width // heads, G=grid * grid)
    sizes.update({'2E': 2 * width, '3E': 3 * width, '2M': 2 * mlp})
    sizes.update({'1+G': 1 + grid * grid, '2+G': 2 + grid * grid})
    cos, sin = rotary_tables(grid, width // heads)
    state = {}
    for pattern, dims in LAYOUTS[layout].items():
        shape = [sizes.get(dim, dim) for dim in dims]
        for layer in range(DEPTH if '*' in pattern else 1):
            name = pattern.replace('*', str(layer))
            table = dict(freqs_cos=cos, freqs_sin=sin).get(name.rpartition('.')[2])
            state[name] = torch.randn(shape, generator=generator) if table is None else table
    return state


def save(state: dict, path: Path) -> Path:
    """Writes parameters in the container that the suffix names."""
    if path.suffix == '.npz':
        np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})
    elif path.suffix == '.safetensors':
        from safetensors.torch import save_file

        save_file({name: tensor.clone() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def backbone_cfg(layout: str, stage: str, **options) -> dict:
    """An encoder of either stage that the layout fits."""
    cfg = dict(type='WeakTrSegmenterViT', arch=ARCH, img_size=64, patch_size=16)
    if stage == 'cam':
        cfg.update(type='WeakTrViT', num_classes=5, fusion=dict(reduction=2, feature_reduction=2))
    if stage == 'mmpretrain':
        cfg.update(type='mmpretrain.VisionTransformer')
    if 'dinov2' in layout:
        cfg.update(layer_scale_init_value=1e-5, final_norm=True)
    if 'registers' in layout:
        cfg.update(num_registers=4)
    if 'eva02' in layout:
        cfg = dict(type='WeakTrEVA02', arch=ARCH, img_size=64, patch_size=16)
        cfg.update(sub_ln='base' in layout)
    return {**cfg, **options}


def start(cfg: dict, checkpoint: Path | str) -> torch.nn.Module:
    """Builds and initialises an encoder as mmengine does."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    backbone = MODELS.build(
        dict(cfg, init_cfg=dict(type='WeakTrPretrained', checkpoint=str(checkpoint)))
    )
    backbone.init_weights()
    return backbone


def stages_of(layout: str) -> tuple[str, ...]:
    if 'eva02' in layout:
        return ('retrain',)
    return ('cam', 'retrain') if 'registers' in layout else STAGES


def trained_cam_encoder(layout, **options):
    """Parameters of an encoder of the CAM stage, each different."""
    init_default_scope('mmseg')
    torch.manual_seed(1)
    backbone = MODELS.build(backbone_cfg(layout, 'cam', **options))
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter)
    return backbone.state_dict()
