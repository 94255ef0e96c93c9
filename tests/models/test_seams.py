"""Fusion, losses and the map of the labels are replaced from outside the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

import weaktr_mmseg  # noqa: F401

CONFIG = Path(__file__).parents[2] / 'configs/weaktr_custom_cam.py'
WIDTH, HEADS, LAYERS, CLASSES = 16, 2, 2, 2
ARCH = dict(embed_dims=WIDTH, num_layers=LAYERS, num_heads=HEADS, feedforward_channels=WIDTH)
OUTSIDE = """
import torch
from mmseg.registry import MODELS
from weaktr_mmseg.models import HeadFusion


@MODELS.register_module()
class ToyFusion(HeadFusion):
    def __init__(self, share=0.5, **kwargs):
        super().__init__(**kwargs)
        self.share = torch.nn.Parameter(torch.full((self.num_heads, 1), share))

    def forward(self, pooled):
        return self.share.expand(len(pooled[0]), -1, self.num_layers)


@MODELS.register_module()
class ToyBranchLoss(torch.nn.Module):
    def forward(self, logits, targets):
        return 3 * (logits - targets).square().mean()


@MODELS.register_module()
class ToyAttentionLoss(torch.nn.Module):
    loss_name = 'loss_toy'

    def forward(self, features, scores, targets):
        maps = scores.detach().relu().flatten(2) * targets[..., None]
        return features.attention.propagate(maps).mean() + scores.square().mean()
"""


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """The CAM stage on four photographs of 64 px, whose parts a module outside defines."""
    data = tmp_path / 'data'
    (data / 'images').mkdir(parents=True)
    rows = ['image,labels']
    for index in range(4):
        pixels = np.random.default_rng(index).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f'images/{index}.jpg')
        rows.append(f'{index}.jpg,{("cat", "dog")[index % 2]}')
    (data / 'labels.csv').write_text('\n'.join(rows), encoding='utf-8')
    (tmp_path / 'toy_parts.py').write_text(OUTSIDE, encoding='utf-8')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('WEAKTR_DATA', str(data))
    options = {
        'custom_imports.imports': ['weaktr_mmseg', 'toy_parts'],
        'model.backbone.fusion': dict(type='ToyFusion', share=0.25, _delete_=True),
    }
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(options)
    cfg.model.backbone.update(arch=ARCH, img_size=32, init_cfg=None)
    cfg.model.cam_head.in_channels = WIDTH
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    cfg.update(param_scheduler=[], auto_scale_lr=None)
    cfg.train_cfg.update(max_epochs=1, val_interval=2, total_batch_size=2)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
    cfg.default_hooks.logger.interval = 1
    cfg.update(work_dir=str(tmp_path / 'run'), visualizer=None, experiment_name=tmp_path.name)
    yield Config.fromstring(cfg.pretty_text, '.py')  # imports what custom_imports names
    for part in ('ToyFusion', 'ToyBranchLoss', 'ToyAttentionLoss'):
        from mmseg.registry import MODELS

        MODELS._module_dict.pop(part)
    sys.modules.pop('toy_parts')


def test_fusion_and_losses_from_outside_train(cfg, tmp_path):
    cfg.model.cam_head.update(
        loss_fine=dict(type='ToyBranchLoss'),
        loss_cls=None,
        aux_losses=[dict(type='ToyAttentionLoss')],
    )
    runner = Runner.from_cfg(cfg)
    share = runner.model.backbone.attention_fusion.share
    assert share.tolist() == [[0.25]] * HEADS

    runner.train()

    assert (share - 0.25).abs().min() > 0.01
    (log,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    record = json.loads(log.read_text(encoding='utf-8').splitlines()[0])
    names = {name for name in record if name.startswith('loss')}
    assert names == {'loss', 'loss_coarse', 'loss_fine', 'loss_toy'}


@pytest.mark.parametrize('kind', ['fine', 'attended', 'coarse'])
def test_map_of_the_labels(cfg, kind):
    cfg.model.test_cfg.update(map=kind, precision='float32')  # as what it is compared with
    runner = Runner.from_cfg(cfg)
    model = runner.model.eval()
    for weights in model.backbone.parameters():
        weights.data *= 10  # else attention is flat, and its range is that of rounding errors
    batch = next(iter(runner.build_dataloader(cfg.test_dataloader)))
    inputs = model.data_preprocessor(batch)['inputs']

    with torch.no_grad():
        samples = model.test_step(batch)

    (label,) = samples[0].cam_classes.tolist()
    expected = torch.zeros(64, 64)
    with torch.no_grad():
        for scale in inputs[0]:
            for view in (scale, scale.flip(3)):
                maps = model.cam_head.activation_maps(model.extract_feat(view))
                resized = torch.nn.functional.interpolate(
                    getattr(maps, kind)[:, [label]], (64, 64), mode='bilinear'
                )[0, 0]
                expected += resized if view is scale else resized.flip(1)
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    torch.testing.assert_close(samples[0].cams[0], expected, rtol=0, atol=1e-4)
    assert expected.std() > 0


def test_unknown_map_is_refused(cfg):
    cfg.model.test_cfg.map = 'fused'
    with pytest.raises(ValueError, match="test_cfg.map: expected one of .*coarse.* got 'fused'"):
        Runner.from_cfg(cfg)
