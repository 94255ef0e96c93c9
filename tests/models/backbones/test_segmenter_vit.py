from __future__ import annotations

import torch
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401

from looping import some

CONFIG = dict(
    arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
    img_size=16,
    patch_size=4,
    drop_path_rate=0.5,
    out_type='featmap',
)


def run(vit, images):
    torch.manual_seed(1)
    (features,) = vit(images)
    features.square().sum().backward()
    return [features.detach(), *(p.grad for p in vit.parameters() if p.grad is not None)]


def test_equals_the_framework_with_gradients_and_drop_path():
    torch.manual_seed(0)
    stock = MODELS.build(dict(type='mmpretrain.VisionTransformer', **CONFIG))
    lean = MODELS.build(dict(type='WeakTrSegmenterViT', **CONFIG))
    lean.load_state_dict(stock.state_dict(), strict=True)
    stock.train(), lean.train()
    images = torch.randn(4, 3, 16, 20)
    expected = run(stock, images)
    for mine, theirs in some(zip(run(lean, images), expected, strict=True)):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


def test_layers_are_initialised_as_the_framework_does():
    vits = []
    for kind in ('mmpretrain.VisionTransformer', 'WeakTrSegmenterViT'):
        torch.manual_seed(0)
        vits.append(MODELS.build(dict(type=kind, **CONFIG)))
        torch.manual_seed(1)
        vits[-1].init_weights()
    for mine, theirs in some(zip(vits[1].parameters(), vits[0].parameters(), strict=True)):
        assert torch.equal(mine, theirs)
