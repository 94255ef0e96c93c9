"""A CAM network small enough for exact comparisons, with weights that no symmetry hides."""

from __future__ import annotations

import pytest
import torch
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401

CLASSES, WIDTH = 3, 16
ARCH = dict(embed_dims=WIDTH, num_layers=3, num_heads=2, feedforward_channels=32)


def _randomize(module):
    """Draw every parameter: zeros and equal class tokens would hide mistakes."""
    generator = torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.4, generator=generator)
    module.eval()  # mmpretrain's backbones return nothing here
    return module


def _vit_config(**options):
    fusion = dict(type='AdaptiveAttentionFusion', reduction=2, feature_reduction=2)
    defaults = dict(num_classes=CLASSES, arch=ARCH, img_size=16, patch_size=4, fusion=fusion)
    return {'type': 'WeakTrViT', **defaults, **options}


@pytest.fixture
def build_vit():
    """Builds a backbone on a 4 x 4 grid of 4 px patches; takes overrides of its config."""
    return lambda **options: _randomize(MODELS.build(_vit_config(**options)))


@pytest.fixture
def build_segmentor():
    """Builds a CAM segmentor; takes ``test_cfg`` and options of head and backbone."""

    def build(test_cfg=None, head=None, **backbone):
        head = dict(type='WeakTrCAMHead', in_channels=WIDTH, num_classes=CLASSES, **(head or {}))
        config = dict(backbone=_vit_config(**backbone), cam_head=head, test_cfg=test_cfg)
        return _randomize(MODELS.build(dict(type='WeakTrCAMSegmentor', **config)))

    return build
