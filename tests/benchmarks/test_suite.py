from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from weaktr_mmseg.models import WeakTrCAMSegmentor

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/benchmarks'))

from suite.case import Case, Result
from suite.measure import measure
from suite.plain_cam import plain_forward
from suite.plain_tta import plain_scores
from suite.report import table, write_json
from suite.step_cases import LEAVES, leaf, train_step

CONFIGS = Path(__file__).parents[2] / 'configs'
CPU = torch.device('cpu')


def allocate(megabytes, device):
    """A call that holds memory for a moment."""
    return lambda: torch.ones(megabytes * 250_000).sum()


def small(device):
    return allocate(40, device)


def large(device):
    return allocate(160, device)


def broken(device):
    raise MemoryError


@torch.no_grad()
def test_baseline_computes_the_same_network():
    arch = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)
    fusion = dict(reduction=2, feature_reduction=2)
    vit = dict(num_classes=3, arch=arch, img_size=16, patch_size=4, fusion=fusion)
    head = dict(type='WeakTrCAMHead', in_channels=16, num_classes=3)
    segmentor = WeakTrCAMSegmentor(dict(type='WeakTrViT', **vit), head)
    segmentor.eval()
    for parameter in segmentor.parameters():
        parameter.normal_(std=0.4, generator=torch.manual_seed(0))
    images = torch.randn(2, 3, 16, 16, generator=torch.manual_seed(0))
    features = segmentor.backbone(images)
    maps = segmentor.cam_head.activation_maps(features)

    plain = plain_forward(segmentor, images)

    torch.testing.assert_close(plain.fine, maps.fine, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(plain.cls, segmentor.cam_head.class_token_logits(features))


@torch.no_grad()
def test_plain_evaluation_computes_the_same_scores():
    cfg = Config.fromfile(CONFIGS / 'weaktr_voc_deit-s.py')
    cfg.model.backbone.update(
        arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32),
        img_size=48,
        init_cfg=None,
    )
    cfg.model.decode_head.update(in_channels=16, channels=16, embed_dims=16, num_heads=1)
    cfg.model.test_cfg.update(crop_size=(48, 48), stride=(32, 32))
    init_default_scope('mmseg')
    model = MODELS.build({**cfg.tta_model, 'refine': None, 'module': cfg.model}).eval()
    for parameter in model.parameters():
        parameter.normal_(std=0.4, generator=torch.manual_seed(0))
    for step, ratio in zip(cfg.tta_pipeline[1].transforms[0], cfg.tta_ratios):
        step.scale = (int(8 * 52 * ratio), int(52 * ratio))
    photo = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    loaded = dict(img=photo.copy(), ori_shape=(37, 50), img_path='', seg_fields=[])
    batch = pseudo_collate([Compose(cfg.tta_pipeline[1:])(loaded)])

    (scores,) = model.scores(batch)

    plain = plain_scores(model.module, photo, cfg.tta_ratios, 52, window=48, stride=32)
    torch.testing.assert_close(plain, scores, rtol=0, atol=1e-4)


@pytest.mark.parametrize('name', LEAVES)
def test_steps_train_every_parameter_of_their_leaf(monkeypatch, name):
    cfg = leaf(name)
    small = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64)
    patch = cfg.model.backbone.patch_size if 'patch_size' in cfg.model.backbone else 16
    cfg.model.backbone.update(arch=small, img_size=2 * patch)
    if 'layer_scale_init_value' in cfg.model.backbone:
        cfg.model.backbone.layer_scale_init_value = 1.0  # so that one step is seen behind it
    if 'cam_head' in cfg.model:
        cfg.model.cam_head.in_channels = 32
        cfg.model.backbone.fusion = dict(reduction=2, feature_reduction=2)
    else:
        cfg.model.decode_head.update(in_channels=32, channels=32, embed_dims=32, num_heads=2)
    built = []

    def build(model):
        built.append(MODELS.build(model))
        return built[-1]

    monkeypatch.setattr('suite.step_cases.MODELS', SimpleNamespace(build=build))

    step = train_step(cfg, CPU)
    assert not built  # so that parameters are measured as well
    step()
    before = [parameter.clone() for parameter in built[0].parameters()]
    step()

    assert len(built) == 1
    changed = [(new != old).any().item() for new, old in zip(built[0].parameters(), before)]
    assert sum(changed) > 0.9 * len(changed)


@pytest.mark.skipif(sys.platform != 'linux', reason='memory is read from /proc')
def test_measures_the_peak_of_each_side():
    result = measure(Case('memory', small, large), CPU, pairs=2, budget=10)
    assert 39 < result.peak_mb < 80
    assert 159 < result.baseline_peak_mb < 200
    assert 0 < result.seconds < result.baseline_seconds


@pytest.mark.parametrize(
    'case', [Case('a', small, large, baseline_gb=1e9), Case('a', small, broken)]
)
def test_baseline_without_memory_is_left_out(case):
    result = measure(case, CPU, pairs=1, budget=10)
    assert result.seconds > 0
    assert result.baseline_seconds is result.baseline_peak_mb is None


def test_our_side_must_run():
    with pytest.raises(RuntimeError, match='a benchmark process ended with exit code 1'):
        measure(Case('a', broken), CPU, pairs=1, budget=10)


def test_json_and_table(tmp_path):
    results = [Result('a', 1.0, 10.0, 4.0, 80.0), Result('b', 2.0, None)]
    write_json(tmp_path / 'figures.json', results)
    first, second = json.loads((tmp_path / 'figures.json').read_text(encoding='utf-8'))
    assert first == dict(
        name='a', seconds=1.0, peak_mb=10.0, baseline_seconds=4.0, baseline_peak_mb=80.0
    )
    assert second['baseline_seconds'] is None
    rows = table(results, {'a': 0.5}).splitlines()
    assert [cell.strip() for cell in rows[2].split('|')][1:-1] == [
        'a', '1.000', '4.000', '0.25', '10', '80', '0.12', '0.500'
    ]  # fmt: skip
